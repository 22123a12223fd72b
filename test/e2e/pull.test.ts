/** What a pull promises, on a real node: one copy, the right places, nothing twice. */
import assert from "node:assert/strict";
import { lstat, mkdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import type { RunningNode } from "@swarmd/daemon/host";
import { SwarmError } from "@swarmd/protocol";
import { environmentFor, type Folders, jsonLines, launch, makeFolders, runSwarm } from "../support/binaries.js";
import { assertCacheIsSound, sha256OfFile } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, pullEvents, startTestNode } from "../support/local-node.js";

const REPO = "acme/llama";
const WEIGHTS_BYTES = 40 * 1024 * 1024 + 17;
const WEIGHTS = syntheticContent({ seed: 11, sizeBytes: WEIGHTS_BYTES });
const FILES = {
  "config.json": '{"a":1}',
  "onnx/model.onnx": syntheticContent({ seed: 12, sizeBytes: 300_000 }),
  "model.safetensors": WEIGHTS,
};

describe("a pull", () => {
  let hub: EmbeddedHub;
  let place: Folders;
  let node: RunningNode | undefined;
  const made: Folders[] = [];

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: [
        { name: REPO, files: FILES },
        { name: "acme/copy", files: { "renamed.safetensors": WEIGHTS, "config.json": '{"a":1}' } },
        {
          name: "acme/secret",
          private: true,
          files: { "model.safetensors": syntheticContent({ seed: 13, sizeBytes: 9000 }) },
        },
        {
          type: "dataset",
          name: "acme/table",
          files: { "data/train.parquet": syntheticContent({ seed: 14, sizeBytes: 70_000 }) },
        },
      ],
    });
    await hub.prepare();
  });
  after(async () => {
    await hub.stop();
    for (const folders of made) await folders.remove();
  });
  afterEach(async () => {
    await node?.stop();
    node = undefined;
  });

  const begin = async (more: Parameters<typeof startTestNode>[2] = {}): Promise<RunningNode> => {
    place = await makeFolders();
    made.push(place);
    hub.faults.clear();
    hub.configure({ uplinkBytesPerSecond: undefined });
    hub.resetStats();
    node = await startTestNode(place, hub.url, more);
    return node;
  };
  const sentOf = (path: string): number => hub.stats().files[path]?.bytesSent ?? 0;

  it("lays files out as huggingface_hub does, and asks per file list, not per file", async () => {
    const done = doneOf(await pullEvents(await begin(), { target: REPO }));
    const repo = join(place.cacheDir, "models--acme--llama");
    assert.equal(done.path, join(repo, "snapshots", done.commit));
    assert.equal(await readFile(join(repo, "refs", "main"), "utf8"), done.commit);
    const link = await readlink(join(done.path, "onnx", "model.onnx"));
    assert.match(link, /^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    assert.match(await readlink(join(done.path, "config.json")), /^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    assert.equal(await assertCacheIsSound(place.cacheDir), 3);
    assert.equal(hub.log().filter(({ method }) => method === "HEAD").length, 0);
    assert.equal(hub.stats().bytesSentTwice, 0);
  });

  it("of what is there already fetches nothing", async () => {
    const first = await begin();
    await pullEvents(first, { target: REPO });
    hub.resetStats();
    const done = doneOf(await pullEvents(first, { target: REPO }));
    assert.equal(done.bytesFromCache, done.bytes);
    assert.equal(hub.stats().bytesSent, 0);
    assert.equal(hub.stats().requests, 1, "one question: what is main now");
  });

  it("by commit, of what is there already, asks nobody at all", async () => {
    const first = await begin();
    const { commit } = doneOf(await pullEvents(first, { target: REPO }));
    hub.resetStats();
    doneOf(await pullEvents(first, { target: `${REPO}@${commit}` }));
    assert.equal(hub.stats().requests, 0);
  });

  it("takes a blob from another repo of the cache", async () => {
    const first = await begin();
    await pullEvents(first, { target: REPO });
    hub.resetStats();
    const done = doneOf(await pullEvents(first, { target: "acme/copy" }));
    assert.equal(hub.stats().bytesSent, 0);
    assert.equal((await stat(join(done.path, "renamed.safetensors"))).size, WEIGHTS_BYTES);
    assert.equal(await assertCacheIsSound(place.cacheDir), 5);
  });

  it("fetches a new revision's new files only", async () => {
    const first = await begin();
    await pullEvents(first, { target: REPO });
    const repo = hub.getRepo(REPO);
    repo.commit({ "extra.json": '{"new":true}' }, { branch: "next" });
    hub.resetStats();
    doneOf(await pullEvents(first, { target: `${REPO}@next` }));
    assert.equal(sentOf(`${REPO}/model.safetensors`), 0);
    assert.ok(sentOf(`${REPO}/extra.json`) > 0);
  });

  it("adopts what another tool left in the cache", async () => {
    const first = await begin();
    await pullEvents(first, { target: REPO });
    await first.stop();
    hub.resetStats();
    // A node with another state folder knows nothing of the first one's doings.
    node = await startTestNode({ ...place, stateDir: join(place.root, "other") }, hub.url);
    doneOf(await pullEvents(node, { target: REPO }));
    assert.equal(hub.stats().bytesSent, 0);
  });

  it("obeys include and exclude", async () => {
    const done = doneOf(
      await pullEvents(await begin(), { target: REPO, include: ["*.json", "onnx/"], exclude: ["config*"] }),
    );
    assert.equal(done.files, 1);
    assert.equal(sentOf(`${REPO}/model.safetensors`), 0);
  });

  it("of nothing that exists names what there is", async () => {
    await assert.rejects(pullEvents(await begin(), { target: REPO, include: ["*.gguf"] }), {
      code: "FILE_NOT_FOUND",
      hint: /3 files, such as/,
    });
  });

  it("says what it would do, and does nothing, with dryRun", async () => {
    const events = await pullEvents(await begin(), { target: REPO, dryRun: true });
    assert.equal(doneOf(events).dryRun, true);
    assert.equal(hub.stats().bytesSent, 0);
    await assert.rejects(stat(doneOf(events).path));
  });

  it("places files in a local folder without a second copy, and with the notes of huggingface_hub", async () => {
    const running = await begin();
    const localDir = join(place.root, "here");
    const done = doneOf(await pullEvents(running, { target: REPO, localDir }));
    assert.equal(done.path, localDir);
    const placed = await lstat(join(localDir, "model.safetensors"));
    assert.ok(placed.isFile() && placed.nlink >= 2, "a hard link to the blob");
    const [commit] = (
      await readFile(join(localDir, ".cache/huggingface/download/model.safetensors.metadata"), "utf8")
    ).split("\n");
    assert.equal(commit, done.commit);
  });

  it("of a dataset goes into the datasets folder", async () => {
    const done = doneOf(await pullEvents(await begin(), { target: "datasets/acme/table" }));
    assert.ok(done.path.includes("datasets--acme--table"));
  });

  it("of a private repo needs the token, and sends it to nobody else", async () => {
    await assert.rejects(pullEvents(await begin(), { target: "acme/secret" }), {
      code: "REPO_NOT_FOUND",
      hint: /HF_TOKEN/,
    });
    await node?.stop();
    doneOf(await pullEvents(await begin({ token: "hf_reader" }), { target: "acme/secret" }));
    assert.equal(hub.stats().cdnRequestsWithAuthorization, 0);
  });

  it("offline gives what the cache has, and says what it lacks", async () => {
    const first = await begin();
    await pullEvents(first, { target: REPO });
    hub.resetStats();
    doneOf(await pullEvents(first, { target: REPO, offline: true }));
    assert.equal(hub.stats().requests, 0);
    await assert.rejects(pullEvents(first, { target: "acme/copy", offline: true }), { code: "OFFLINE" });
  });

  it("goes by what it knows when the Hub is down and everything is there", async () => {
    const first = await begin();
    await pullEvents(first, { target: REPO });
    hub.faults.set([{ kind: "down" }]);
    const events = await pullEvents(first, { target: REPO });
    doneOf(events);
    assert.ok(events.some((event) => event.type === "warning" && /last pulled/.test(event.message)));
  });

  it("that is stopped keeps what it has, and the next one goes on", async () => {
    const first = await begin();
    hub.configure({ uplinkBytesPerSecond: 20_000_000 });
    const abort = new AbortController();
    const stopped = first.commands.pull(
      { target: REPO },
      (event) => {
        if (event.type === "progress" && event.bytes > 8_000_000) abort.abort();
      },
      { signal: abort.signal },
    );
    await assert.rejects(stopped, { code: "INTERRUPTED" });
    hub.configure({ uplinkBytesPerSecond: undefined });
    const done = doneOf(await pullEvents(first, { target: REPO }));
    assert.ok(done.bytesFromCache > 4_000_000, `only ${done.bytesFromCache} bytes were kept`);
    assert.equal(await assertCacheIsSound(place.cacheDir), 3);
  });

  it("ten at once fetch one copy", async () => {
    const first = await begin();
    const all = await Promise.all(Array.from({ length: 10 }, () => pullEvents(first, { target: REPO })));
    for (const events of all) doneOf(events);
    assert.equal(sentOf(`${REPO}/model.safetensors`), WEIGHTS_BYTES);
  });

  it("in two processes with folders of their own state, into one cache, fetches one copy", async () => {
    await begin();
    await node?.stop();
    hub.configure({ uplinkBytesPerSecond: 30_000_000 });
    const other = { ...place, stateDir: join(place.root, "other") };
    const runs = [place, other].map((folders) =>
      launch("swarm", ["pull", REPO, "--json"], environmentFor(folders, hub.url)),
    );
    for (const { finished } of runs) {
      const { exitCode, stderr } = await finished;
      assert.equal(exitCode, 0, stderr);
    }
    assert.equal(sentOf(`${REPO}/model.safetensors`), WEIGHTS_BYTES);
  });

  it("never writes a name that leads out of the snapshot", async () => {
    for (const name of ["../../../../escape", "a/../../b", "/etc/passwd", "a\0b", "CON", "x".repeat(300), "a\\b"]) {
      const repo = hub.addRepo({ name: "acme/evil", files: { [name]: "x", "config.json": "{}" } });
      await assert.rejects(pullEvents(await begin(), { target: repo.name }), (error: unknown) => {
        assert.ok(error instanceof SwarmError, String(error));
        assert.ok(
          ["UNSAFE_FILE_NAME", "ORIGIN_FAULT"].includes(error.code),
          `${JSON.stringify(name)}: ${error.code} ${error.message}`,
        );
        return true;
      });
      await node?.stop();
      hub.removeRepo("acme/evil");
    }
  });
});

describe("a pull of a URL", () => {
  let hub: EmbeddedHub;
  const made: Folders[] = [];
  const content = syntheticContent({ seed: 21, sizeBytes: 50 * 1024 * 1024 + 5 });

  before(async () => {
    hub = await EmbeddedHub.start({});
  });
  after(async () => {
    await hub.stop();
    for (const folders of made) await folders.remove();
  });

  const withNode = async (use: (node: RunningNode, place: Folders) => Promise<void>): Promise<void> => {
    const place = await makeFolders();
    made.push(place);
    hub.resetStats();
    const node = await startTestNode(place, hub.url);
    try {
      await use(node, place);
    } finally {
      await node.stop();
    }
  };

  it("fetches in parallel, places the file, and the second time only asks", () =>
    withNode(async (node, place) => {
      const target = hub.putFile("model.gguf", content);
      const out = join(place.root, "model.gguf");
      const done = doneOf(await pullEvents(node, { target, out, workers: 4 }));
      assert.equal(done.path, out);
      assert.equal((await stat(out)).size, 50 * 1024 * 1024 + 5);
      hub.resetStats();
      const again = doneOf(await pullEvents(node, { target, out }));
      assert.equal(again.bytesFromCache, again.bytes);
      assert.equal(hub.stats().bytesSent, 0);
      assert.ok(hub.log().at(-1)?.status === 304);
    }));

  it("fetches again when the file has changed", () =>
    withNode(async (node, place) => {
      const target = hub.putFile("changing.bin", "one".repeat(1000));
      const out = join(place.root, "changing.bin");
      doneOf(await pullEvents(node, { target, out }));
      hub.putFile("changing.bin", "two".repeat(1000));
      doneOf(await pullEvents(node, { target, out }));
      assert.equal(await readFile(out, "utf8"), "two".repeat(1000));
    }));

  it("takes one stream from a server without Range, and starts over when it breaks", () =>
    withNode(async (node, place) => {
      const target = hub.putFile("stream.bin", content, { ranges: false });
      hub.faults.set([{ kind: "drop", path: "stream.bin", atFraction: 0.4, times: 2 }]);
      const out = join(place.root, "stream.bin");
      doneOf(await pullEvents(node, { target, out }));
      hub.faults.clear();
      const whole = join(place.root, "whole.bin");
      doneOf(await pullEvents(node, { target: hub.putFile("whole.bin", content), out: whole }));
      assert.equal(await sha256OfFile(out), await sha256OfFile(whole));
    }));

  it("notices when the file changes midway, and does not mix the two", () =>
    withNode(async (node, place) => {
      const target = hub.putFile("midway.bin", content);
      hub.faults.set([{ kind: "etagChanged", path: "midway.bin", skip: 2 }]);
      const out = join(place.root, "midway.bin");
      await assert.rejects(pullEvents(node, { target, out, workers: 1 }), { code: "ORIGIN_CHANGED" });
      await assert.rejects(stat(out));
      hub.faults.clear();
      doneOf(await pullEvents(node, { target, out }));
    }));

  it("asks for a length", () =>
    withNode(async (node) => {
      const target = hub.putFile("endless.bin", content, { length: false, ranges: false });
      await assert.rejects(pullEvents(node, { target }), { code: "ORIGIN_NO_LENGTH" });
    }));

  it("replaces a file only as a whole, and leaves a link's target alone", () =>
    withNode(async (node, place) => {
      const target = hub.putFile("replace.bin", "new".repeat(100));
      const folder = join(place.root, "folder");
      await mkdir(folder);
      const out = join(folder, "replace.bin");
      await writeFile(out, "old");
      doneOf(await pullEvents(node, { target, out }));
      assert.equal(await readFile(out, "utf8"), "new".repeat(100));
    }));

  it("by the command line, with a mistake in it, names the mistake", async () => {
    const place = await makeFolders();
    made.push(place);
    const env = environmentFor(place, hub.url);
    const run = await runSwarm(["pull", `${hub.url}/files/none.bin`, "--json"], env);
    assert.equal(run.exitCode, 3, run.stderr);
    assert.equal(jsonLines(run.stdout).at(-1)?.type, "error");
  });
});
