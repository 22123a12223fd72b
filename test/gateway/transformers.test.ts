/** npm `@huggingface/transformers`, as it is, loads a tiny model through the gateway: cold, warm, and with the Hub gone. */
import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { EmbeddedHub } from "../support/hub/hub.js";
import { startGateway, type TestGateway } from "./gateway-kit.js";
import { makeTinyOnnxRepo, WIDTH } from "./tiny-onnx.js";

const REPO = "acme/tiny-bert";

/** What is used of the library. It is some 450 MB, so a package of its own has it, which only `npm test` installs. */
interface Transformers {
  readonly env: { remoteHost: string; cacheDir: string; allowLocalModels: boolean };
  pipeline(
    task: "feature-extraction",
    repo: string,
    options: { readonly dtype: "fp32" },
  ): Promise<{ (text: string): Promise<{ readonly data: Float32Array }>; dispose(): Promise<unknown> }>;
}

const requireClient = createRequire(new URL("../../clients/package.json", import.meta.url));

describe("@huggingface/transformers through the gateway", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: [{ name: REPO, files: makeTinyOnnxRepo(["[UNK]", "[PAD]", "hello", "swarm"]) }],
    });
    await hub.prepare();
    gateway = await startGateway(hub);
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });

  /** Each time with a cache of the library's own that is empty. */
  const embed = async (): Promise<number[]> => {
    const { env, pipeline }: Transformers = requireClient("@huggingface/transformers");
    env.remoteHost = `${gateway.url}/`;
    env.cacheDir = await mkdtemp(join(gateway.folders.root, "transformers-"));
    env.allowLocalModels = false;
    const extract = await pipeline("feature-extraction", REPO, { dtype: "fp32" });
    const { data } = await extract("hello swarm nobody");
    await extract.dispose();
    return [...data];
  };

  const expected = [2, 3, 0].flatMap((token) => Array.from({ length: WIDTH }, (_, i) => token + i / WIDTH));

  it("cold", async () => assert.deepEqual(await embed(), expected));

  it("warm: without a byte from the Hub", async () => {
    hub.resetStats();
    assert.deepEqual(await embed(), expected);
    assert.equal(hub.stats().bytesSent, 0);
  });

  it("with the Hub gone", async () => {
    hub.faults.set([{ kind: "down" }]);
    assert.deepEqual(await embed(), expected);
  });
});
