/** A cache at its bound, behind the gateway: what does not fit is refused in words, and what somebody reads stays. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { startGateway, type TestGateway } from "./gateway-kit.js";

const SIZE_BYTES = 3_000_000;
const NAMES = ["a", "b", "c"] as const;

describe("a full cache behind the gateway", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway | undefined;

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: NAMES.map((name, seed) => {
        return {
          name: `acme/${name}`,
          files: { "model.bin": syntheticContent({ seed: 50 + seed, sizeBytes: SIZE_BYTES }) },
        };
      }),
    });
    await hub.prepare();
  });
  after(() => hub.stop());
  afterEach(() => gateway?.stop());

  const start = async (policy: "lru" | "no-evict") => {
    const cache = { policy, bounds: { maxBytes: 7_000_000 }, adoptEvict: false, keepStartup: false };
    gateway = await startGateway(hub, { cache });
    return gateway;
  };
  const pathOf = (name: string) => `/acme/${name}/resolve/main/model.bin`;

  it("no-evict: 503, and what to do; what is there is served all the same", async () => {
    const { get } = await start("no-evict");
    for (const name of ["a", "b"]) assert.equal((await get(pathOf(name))).status, 200);
    const refused = await get(pathOf("c"));
    assert.equal(refused.status, 503);
    const said = `${refused.headers["x-error-message"]} ${refused.body}`;
    assert.match(said, /full: at most 7\.00 MB/);
    assert.match(said, /swarm rm/);
    assert.equal((await get(pathOf("a"))).status, 200);
  });

  it("lru: the one read longest ago makes room, whoever reads", async () => {
    const { get, node } = await start("lru");
    for (const name of ["a", "b", "a", "c"]) assert.equal((await get(pathOf(name))).status, 200);
    const { revisions } = await node.views.list({ signal: new AbortController().signal });
    assert.deepEqual(revisions.map(({ repo }) => repo).sort(), ["acme/a", "acme/c"]);
  });
});
