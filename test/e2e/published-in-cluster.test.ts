/** What is published in a cluster: members take it without a word, after a change of the key too, and nobody hears of it outside. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeConfig } from "@swarmd/daemon/config";
import type { RunningNode } from "@swarmd/daemon/host";
import type { AddEvent, AddedEvent } from "@swarmd/protocol/api";
import { type Folders, makeFolders } from "../support/binaries.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, pullEvents, startTestNode } from "../support/local-node.js";

const WAIT_MS = 60_000;
const SIZE_BYTES = 2_000_000;

interface Place {
  readonly folders: Folders;
  readonly node: RunningNode;
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited too long until ${what}`);
    await sleep(50);
  }
}

describe("what is published in a cluster", { timeout: 240_000 }, () => {
  const places: Place[] = [];
  let hub: EmbeddedHub | undefined;
  after(async () => {
    for (const { node, folders } of places) {
      await node.stop();
      await folders.remove();
    }
    await hub?.stop();
  });

  const place = async (more: Partial<NodeConfig> = {}): Promise<Place> => {
    hub ??= await EmbeddedHub.start({ repos: [] });
    const folders = await makeFolders();
    const made = { folders, node: await startTestNode(folders, hub.url, { noPeer: false, ...more }) };
    places.push(made);
    return made;
  };
  const add = async ({ node, folders }: Place, as: string): Promise<AddedEvent> => {
    const folder = join(folders.root, as.replace("/", "-"));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "model.gguf"), Buffer.alloc(SIZE_BYTES, as));
    const events: AddEvent[] = [];
    await node.commands.add({ path: folder, as }, (event) => events.push(event), {
      signal: AbortSignal.timeout(WAIT_MS),
    });
    return events.at(-1) as AddedEvent;
  };
  const holders = async ({ node }: Place, target: string) =>
    (await node.views.locate({ target })).nodes.filter(({ isUp, isSelf }) => isUp && !isSelf).length;

  it("is for its members, who need not name the publisher; and is told to nobody else", async () => {
    const [a, b] = [await place(), await place()];
    const { invited } = await a.node.commands.cluster.create({ name: "rack", port: 0 });
    const signal = AbortSignal.timeout(WAIT_MS);
    assert.ok(invited !== undefined);
    await b.node.commands.cluster.join({ code: invited.code, at: `127.0.0.1:${invited.port}` }, { signal });
    const added = await add(a, "rack/tuned");
    await until("b hears of it", async () => (await holders(b, "rack/tuned")) === 1);
    const events = await pullEvents(b.node, { target: "rack/tuned" });
    assert.equal(doneOf(events).bytesFromPeers, SIZE_BYTES);
    const said = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    assert.ok(
      said.some(
        (text) => text.includes(`published by node ${added.publisher}`) && text.includes("a member of this cluster"),
      ),
      said.join(),
    );

    await a.node.commands.cluster.rotate({});
    const second = await add(a, "rack/second");
    await until("b hears of the second", async () => (await holders(b, "rack/second")) === 1);
    assert.equal(doneOf(await pullEvents(b.node, { target: "rack/second" })).commit, second.commit);

    // In the open again, with all of it in the cache.
    await a.node.commands.cluster.leave();
    const open = await add(a, "everybody/tuned");
    const { self } = await a.node.views.status();
    const port = /\/tcp\/(\d+)/.exec(self?.addresses[0] ?? "")?.[1];
    const c = await place({ peers: [`127.0.0.1:${port}`] });
    await until("c hears of what is open", async () => (await holders(c, "everybody/tuned")) === 1);
    for (const name of ["rack/tuned", "rack/second"]) {
      assert.deepEqual((await c.node.views.locate({ target: name })).nodes, [], name);
      await assert.rejects(pullEvents(c.node, { target: name, from: added.publisher }), { code: "REVISION_NOT_FOUND" });
      await assert.rejects(pullEvents(c.node, { target: `${name}@${added.commit}` }), { code: "REPO_NOT_FOUND" });
    }
    await assert.rejects(pullEvents(c.node, { target: "everybody/tuned" }), {
      code: "REPO_NOT_FOUND",
      message: /which nobody vouches for/,
    });
    const pulled = doneOf(await pullEvents(c.node, { target: `everybody/tuned@${open.commit}` }));
    assert.equal(pulled.bytesFromPeers, SIZE_BYTES);
  });
});
