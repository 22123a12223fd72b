import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DoneEvent, StartEvent } from "@swarmd/protocol/api";
import { describeDone, describeStart } from "./summary.js";

const DONE: DoneEvent = {
  type: "done",
  repo: "org/name",
  revision: "main",
  commit: "0123456789abcdef0123456789abcdef01234567",
  path: "/p",
  files: 2,
  bytes: 100e6,
  bytesFromOrigin: 75e6,
  bytesFromPeers: 25e6,
  bytesFromCache: 0,
  elapsedMs: 10_000,
  sources: [],
};

describe("describeDone", () => {
  const cases: readonly { id: string; done: Partial<DoneEvent>; want: string }[] = [
    { id: "origin and peers", done: {}, want: "WAN 0.75×  LAN 0.25×  cache 0.00×  2 files, 100 MB in 10s (10.0 MB/s)" },
    {
      id: "all there",
      done: { bytesFromOrigin: 0, bytesFromPeers: 0, bytesFromCache: 100e6, elapsedMs: 8 },
      want: "WAN 0.00×  LAN 0.00×  cache 1.00×  2 files, 100 MB in 8ms",
    },
    {
      id: "empty files",
      done: { bytes: 0, bytesFromOrigin: 0, bytesFromPeers: 0, files: 1 },
      want: "WAN 0.00×  LAN 0.00×  cache 0.00×  1 file, 0 B in 10s",
    },
    {
      id: "a dry run",
      done: { dryRun: true, bytesFromCache: 40e6 },
      want: "would pull 2 files, 100 MB; 40.0 MB of it are here",
    },
  ];
  for (const { id, done, want } of cases) it(id, () => assert.equal(describeDone({ ...DONE, ...done }), want));
});

describe("describeStart", () => {
  const start: StartEvent = { ...DONE, type: "start", bytesPresent: 0 };
  it("names repo, revision and commit", () => {
    assert.equal(describeStart(start), "org/name@main (0123456): 2 files, 100 MB");
  });

  it("says what is there", () => {
    assert.match(describeStart({ ...start, bytesPresent: 40e6 }), /100 MB, of which 40\.0 MB are here$/);
  });

  it("a commit asked for is named once", () => {
    assert.equal(describeStart({ ...start, revision: start.commit }), "org/name (0123456): 2 files, 100 MB");
  });
});
