/** `kill -9` in the middle of writing, again and again: what the journal says afterwards is true, and the file ends up right. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { parseRepoSpec } from "@swarmd/protocol";
import { blobOf, contentOf } from "./known-content.js";

const MIB = 1024 * 1024;
const SIZE_BYTES = 24 * MIB + 123;
const SHARD_BYTES = MIB;
const KILLS = 6;
/** A kill costs the shard that was being written, and what the journal had not heard of yet. */
const LOST_PER_KILL = 3;
const signal = new AbortController().signal;
const WRITER = fileURLToPath(new URL("./staging-writer.js", import.meta.url));

/** Runs the writer and kills it once it has noted `killAfter` shards. Returns what it said. */
async function runWriter(folder: string, seed: string, killAfter: number): Promise<{ type: string; shard?: number }[]> {
  const args = [WRITER, folder, seed, String(SIZE_BYTES), String(SHARD_BYTES)];
  const writer = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const said: { type: string; shard?: number }[] = [];
  let noted = 0;
  const exited = once(writer, "exit");
  for await (const line of createInterface({ input: writer.stdout })) {
    const event = JSON.parse(line) as { type: string; shard?: number };
    said.push(event);
    if (event.type === "noted" && ++noted === killAfter) writer.kill("SIGKILL");
  }
  await exited;
  return said;
}

test("killed at any moment, a staging file is taken up where its journal can prove it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "swarmd-kill-"));
  const seed = "a seed for this test";
  const content = contentOf(seed, SIZE_BYTES);
  const blob = blobOf(content);
  const { createShardHasher } = await loadBlake3();
  const { repo } = parseRepoSpec("org/model");
  let writtenShards = 0;
  try {
    for (let kill = 1; kill <= KILLS; kill++) {
      const said = await runWriter(folder, seed, kill);
      writtenShards += said.filter(({ type }) => type === "noted").length;
      const events: { type: string; [field: string]: unknown }[] = [];
      const store = new BlobStore(
        { cacheDir: join(folder, "cache"), stateDir: join(folder, "state"), marginBytes: 0 },
        { createShardHasher, events: { emit: (event) => events.push(event) } },
      );
      const opened = await store.openStaging({ blob, sizeBytes: SIZE_BYTES, shardBytes: SHARD_BYTES, repo, signal });
      assert.ok(opened.kind === "staging");
      const { staging } = opened;
      const { checked, partial } = staging.resumeState();
      for (const shard of checked) await assertBytes(staging.path, content, shard * SHARD_BYTES, SHARD_BYTES);
      for (const { shard, watermarkBytes } of partial) {
        await assertBytes(staging.path, content, shard * SHARD_BYTES, watermarkBytes);
      }
      await staging.close();
    }
    const last = await runWriter(folder, seed, Number.POSITIVE_INFINITY);
    writtenShards += last.filter(({ type }) => type === "noted").length;
    assert.equal(last.at(-1)?.type, "committed");
    const path = join(folder, "cache", "models--org--model", "blobs", blob.slice(7));
    assert.equal(blobOf(await readFile(path)), blob);
    const needed = Math.ceil(SIZE_BYTES / SHARD_BYTES);
    t.diagnostic(`${writtenShards} shards written for ${needed}, with ${KILLS} kills`);
    assert.ok(writtenShards <= needed + KILLS * LOST_PER_KILL);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

async function assertBytes(path: string, content: Buffer, startBytes: number, bytes: number): Promise<void> {
  const found = (await readFile(path)).subarray(startBytes, startBytes + bytes);
  assert.ok(
    found.equals(content.subarray(startBytes, startBytes + bytes)),
    `the bytes from ${startBytes} on are as claimed`,
  );
}
