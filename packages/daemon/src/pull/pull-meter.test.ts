import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type BlobId, parseBlobId } from "@swarmd/protocol";
import type { BlobView } from "./ports.js";
import { PullMeter } from "./pull-meter.js";

const A = parseBlobId(`sha256:${"a".repeat(64)}`);
const B = parseBlobId(`sha256:${"b".repeat(64)}`);
const FILES = [
  { path: "a.safetensors", blob: A, sizeBytes: 1000 },
  { path: "b.safetensors", blob: B, sizeBytes: 3000 },
];

function meterOf(views: Map<BlobId, BlobView>): PullMeter {
  return new PullMeter({ files: FILES, presentBytes: 500, filesPresent: 2 }, (blob) => views.get(blob));
}

describe("PullMeter", () => {
  it("counts what was there, what is in flight and what is done, each once", () => {
    const views = new Map<BlobId, BlobView>([[B, { doneBytes: 1200, phase: "fetching" }]]);
    const meter = meterOf(views);
    meter.markDone(A);
    const progress = meter.progress(0);
    assert.equal(progress.bytes, 500 + 1000 + 1200);
    assert.equal(progress.totalBytes, 4500);
    assert.deepEqual([progress.filesDone, progress.filesTotal], [3, 4]);
    assert.deepEqual(progress.files, [{ path: "b.safetensors", sizeBytes: 3000, doneBytes: 1200, state: "fetching" }]);
  });

  it("is honest at the end: all bytes, but not done while a file is checked", () => {
    const views = new Map<BlobId, BlobView>([[B, { doneBytes: 3000, phase: "checking" }]]);
    const meter = meterOf(views);
    meter.markDone(A);
    const progress = meter.progress(0);
    assert.equal(progress.bytes, progress.totalBytes);
    assert.equal(progress.filesDone, 3);
    assert.equal(progress.files[0]?.state, "checking");
  });

  it("does not lose a blob between its check and its link", () => {
    const views = new Map<BlobId, BlobView>([[B, { doneBytes: 3000, phase: "checking" }]]);
    const meter = meterOf(views);
    const before = meter.progress(0).bytes;
    views.delete(B);
    assert.equal(meter.progress(200).bytes, before);
  });

  it("takes rate and time left from the last seconds only", () => {
    const views = new Map<BlobId, BlobView>([[B, { doneBytes: 0, phase: "fetching" }]]);
    const meter = meterOf(views);
    assert.equal(meter.progress(0).etaMs, null);
    views.set(B, { doneBytes: 1000, phase: "fetching" });
    assert.equal(meter.progress(1000).bytesPerSecond, 1000);
    assert.equal(meter.progress(1000).etaMs, 3000);
    // Nothing more for ten seconds: what came before no longer counts.
    meter.progress(9_000);
    assert.equal(meter.progress(11_000).bytesPerSecond, 0);
    assert.equal(meter.progress(11_000).etaMs, null);
  });
});
