import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Health } from "./health.js";
import { createSilentLogger } from "./observe/logger.js";
import { BlobStore } from "./store/blob-store.js";
import { FileDigests } from "./verify/file-digest.js";
import { loadBlake3 } from "./verify/shard-hasher.js";
import { Verifier } from "./verify/verifier.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const FILES = ["one", "two", "zero", "four"].map((name) => ({ name, content: `${name} `.repeat(20_000) }));
const FAST = 1e12;

describe("the scrub", () => {
  let root: string;
  let store: BlobStore;
  let health: Health;
  let digests: FileDigests;
  let pulled: string[];
  let waitedMs: number;
  /** What a pull does in this test. */
  let onPull: () => void;
  const { signal } = new AbortController();

  const blobFile = (content: string) => {
    const name = createHash("sha1").update(`blob ${content.length}\0${content}`).digest("hex");
    return join(root, "hub", "models--org--model", "blobs", name);
  };
  /** As a pull commits it: a new file takes the name. */
  const restore = async (name: string) => {
    const { content } = FILES.find((file) => file.name === name) as { content: string };
    await writeFile(join(root, "new"), content);
    await rename(join(root, "new"), blobFile(content));
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "swarmd-health-"));
    const snapshot = join(root, "hub", "models--org--model", "snapshots", COMMIT);
    await mkdir(join(root, "hub", "models--org--model", "blobs"), { recursive: true });
    await mkdir(snapshot, { recursive: true });
    for (const { name, content } of FILES) {
      await writeFile(blobFile(content), content);
      await symlink(blobFile(content), join(snapshot, name));
    }
    const { createShardHasher } = await loadBlake3();
    const events = { emit: () => undefined };
    store = new BlobStore(
      { cacheDir: join(root, "hub"), stateDir: join(root, "state") },
      { createShardHasher, events },
    );
    await store.start();
    digests = new FileDigests();
    const verifier = new Verifier({ digests });
    pulled = [];
    waitedMs = 0;
    onPull = () => undefined;
    const run: ConstructorParameters<typeof Health>[1]["pulls"]["run"] = async ({ include = [] }) => {
      onPull();
      pulled.push(...include);
      for (const name of include) await restore(name);
    };
    health = new Health(
      { scrubBytesPerS: undefined },
      {
        store,
        pulls: { run },
        wait: async (ms, { signal }) => {
          signal.throwIfAborted();
          waitedMs += ms;
        },
        openDigest: (...args) => verifier.openDigest(...args),
        events,
        logger: createSilentLogger(),
      },
    );
  });
  afterEach(async () => {
    await health.stop();
    await store.stop();
    await digests.stop();
    await rm(root, { recursive: true });
  });

  const rot = async (name: string) => {
    const { content } = FILES.find((file) => file.name === name) as { content: string };
    await writeFile(blobFile(content), content.replace("o", "0"));
  };

  it("finds nothing wrong where nothing is, and leaves no trace of its reading", async () => {
    const { content } = FILES[0] as { content: string };
    const longAgo = new Date("2020-01-01");
    await utimes(blobFile(content), longAgo, longAgo);
    assert.equal(await health.scrub(FAST, signal), 0);
    assert.equal((await stat(blobFile(content))).atimeMs, longAgo.getTime());
    assert.deepEqual(pulled, []);
  });

  it("has what is wrong fetched again, once, and does not offer it meanwhile", async () => {
    await rot("two");
    await rot("four");
    assert.equal(await health.scrub(FAST, signal), 2);
    assert.deepEqual(pulled.sort(), ["four", "two"]);
    assert.equal(await health.scrub(FAST, signal), 0);
  });

  it("goes on where it was interrupted", async () => {
    for (const { name } of FILES) await rot(name);
    const abort = new AbortController();
    onPull = () => pulled.length === 1 && abort.abort();
    await assert.rejects(health.scrub(1e7, abort.signal));
    const before = [...pulled];
    onPull = () => undefined;
    assert.ok(before.length < FILES.length);
    await health.scrub(FAST, signal);
    const seen = new Set(pulled);
    assert.equal(seen.size, FILES.length);
    assert.ok(pulled.length <= FILES.length + 1, `looked twice at ${pulled.length - FILES.length}`);
    assert.match(await readFile(join(root, "state", "cache", "scrub.json"), "utf8"), /"cursor":""/);
  });

  it("reads no faster than it is told", async () => {
    const bytes = FILES.reduce((sum, { content }) => sum + content.length, 0);
    await health.scrub(bytes * 4, signal);
    assert.ok(Math.abs(waitedMs - 250) < 1e-6, `it waited for ${waitedMs} ms`);
  });
});
