/** Nodes change between open mode and clusters while they run, come back after a restart, and get new keys. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunningNode } from "@swarmd/daemon/host";
import { SwarmError } from "@swarmd/protocol";
import type { ClusterInvitation, PullEvent } from "@swarmd/protocol/api";
import { type Folders, makeFolders } from "../support/binaries.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, startTestNode } from "../support/local-node.js";

const CONTENT = randomBytes(3_000_000);
const WAIT_MS = 60_000;

interface Place {
  readonly folders: Folders;
  node: RunningNode;
}

describe("a node that changes its cluster", { timeout: 240_000 }, () => {
  const places: Place[] = [];
  const running = new Set<RunningNode>();
  const hubs: EmbeddedHub[] = [];
  after(async () => {
    for (const node of running) await node.stop();
    for (const { folders } of places) await folders.remove();
    for (const hub of hubs) await hub.stop();
  });

  const hubWith = async (more: { readonly uplinkBytesPerSecond?: number } = {}) => {
    const hub = await EmbeddedHub.start({
      repos: [{ name: "acme/model", files: { "model.safetensors": CONTENT } }],
      ...more,
    });
    hubs.push(hub);
    return hub.url;
  };
  const start = async (folders: Folders, endpoint: string) => {
    const node = await startTestNode(folders, endpoint, { noPeer: false });
    running.add(node);
    return node;
  };
  const place = async (endpoint: string): Promise<Place> => {
    const folders = await makeFolders();
    const made = { folders, node: await start(folders, endpoint) };
    places.push(made);
    return made;
  };
  const stop = async (node: RunningNode) => {
    running.delete(node);
    await node.stop();
  };
  const until = async (what: string, isTrue: () => Promise<boolean>) => {
    const deadline = Date.now() + WAIT_MS;
    while (!(await isTrue())) {
      if (Date.now() > deadline) throw new Error(`waited too long until ${what}`);
      await sleep(50);
    }
  };
  const connected = async ({ node }: Place) =>
    (await node.commands.cluster.status()).members.filter((one) => one.isConnected && !one.isSelf).length;
  const join = ({ node }: Place, { code, port }: ClusterInvitation) =>
    node.commands.cluster.join({ code, at: `127.0.0.1:${port}` }, { signal: AbortSignal.timeout(WAIT_MS) });

  it("goes on with a pull that runs, and nothing is fetched twice", async () => {
    const endpoint = await hubWith({ uplinkBytesPerSecond: 2_000_000 });
    const { node } = await place(endpoint);
    const events: PullEvent[] = [];
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const pulling = node.commands.pull(
      { target: "acme/model" },
      (event) => {
        events.push(event);
        if (event.type === "progress" && event.bytes > 0) begun();
      },
      { signal: AbortSignal.timeout(WAIT_MS) },
    );
    await hasBegun;
    await node.commands.cluster.create({ port: 0 });
    await node.commands.cluster.leave();
    await pulling;
    assert.equal(doneOf(events).bytesFromOrigin, CONTENT.length);
    assert.equal((await node.commands.cluster.status()).mode, "open");
  });

  it("finds its cluster again after a restart, without multicast; who misses a new key is named, and may join again", async () => {
    const endpoint = await hubWith();
    const [a, b, c] = [await place(endpoint), await place(endpoint), await place(endpoint)];
    const { invited } = await a.node.commands.cluster.create({ name: "rack", port: 0 });
    await join(b, invited as ClusterInvitation);
    await join(c, invited as ClusterInvitation);
    for (const one of [a, b, c]) await until("three have met", async () => (await connected(one)) === 2);

    await stop(b.node);
    await until("one is gone", async () => (await connected(a)) === 1);
    b.node = await start(b.folders, endpoint);
    await until("it is back", async () => (await connected(b)) === 2 && (await connected(a)) === 2);

    const { self } = await c.node.commands.cluster.status();
    await stop(c.node);
    await until("one is gone", async () => (await connected(a)) === 1);
    const rotated = await a.node.commands.cluster.rotate({});
    assert.deepEqual([rotated.generation, rotated.members.length], [2, 1]);
    assert.deepEqual(
      rotated.mustJoinAgain.map(({ id }) => id),
      [self],
    );
    await until("the two have met again", async () => (await connected(a)) === 1 && (await connected(b)) === 1);

    c.node = await start(c.folders, endpoint);
    assert.equal((await c.node.commands.cluster.status()).generation, 1);
    await join(c, await b.node.commands.cluster.invite({ port: 0 }));
    for (const one of [a, b, c]) await until("three have met", async () => (await connected(one)) === 2);
    assert.equal((await c.node.commands.cluster.status()).generation, 2);
  });

  it("refuses a second cluster, and orders that make sense only inside one", async () => {
    const { node } = await place(await hubWith());
    const isUsage = (error: unknown) => error instanceof SwarmError && error.code === "USAGE";
    await assert.rejects(node.commands.cluster.invite({}), isUsage);
    await assert.rejects(node.commands.cluster.rotate({}), isUsage);
    await assert.rejects(node.commands.cluster.leave(), isUsage);
    assert.throws(() => node.commands.cluster.showKey(), isUsage);
    await assert.rejects(node.commands.cluster.create({ swarmKey: "no key" }), isUsage);
    await node.commands.cluster.create({ port: 0 });
    await assert.rejects(node.commands.cluster.create({ port: 0 }), isUsage);
    await assert.rejects(node.commands.cluster.rotate({ remove: "nobody" }), isUsage);
  });
});
