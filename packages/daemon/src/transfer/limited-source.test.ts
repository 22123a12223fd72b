import assert from "node:assert/strict";
import { it } from "node:test";
import { type BlobId, parseBlobId } from "@swarmd/protocol";
import { limitSource } from "./limited-source.js";
import type { RangeSource } from "./ports.js";

const BLOB: BlobId = parseBlobId(`sha256:${"a".repeat(64)}`);
const { signal } = new AbortController();
const source: RangeSource = {
  async read(_blob, startBytes, endBytes, sink) {
    for (let at = startBytes; at < endBytes; at += 10) await sink.write(Buffer.alloc(Math.min(10, endBytes - at)));
  },
};

for (const bytesPerSecond of [undefined, 1000]) {
  it(`${bytesPerSecond === undefined ? "without a limit asks nobody" : "with a limit takes every byte from it"}`, async () => {
    let taken = 0;
    let written = 0;
    const limit = {
      bytesPerSecond,
      take: async (bytes: number) => {
        taken += bytes;
      },
    };
    const sink = {
      write(chunk: Uint8Array) {
        written += chunk.length;
        return undefined;
      },
    };
    await limitSource(source, limit).read(BLOB, 5, 100, sink, { signal });
    assert.equal(written, 95);
    assert.equal(taken, bytesPerSecond === undefined ? 0 : 95);
  });
}
