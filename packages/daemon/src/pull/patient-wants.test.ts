import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type BlobId, type ErrorCode, SwarmError } from "@swarmd/protocol";
import { patientWants } from "./patient-wants.js";
import type { BlobSources, WantRequest } from "./ports.js";

const REQUEST = { pull: 1, blob: `sha256:${"1".repeat(64)}` as BlobId } as WantRequest;
const SOURCES: BlobSources = { fromOriginBytes: 0, fromPeers: [] };

/** Wants that end as the list says, each after a second. */
function make(ends: readonly (ErrorCode | "ok")[], bytesPerTry = 0) {
  const state = { nowMs: 0, bytes: 0, tries: 0, unwanted: 0 };
  const inner = {
    view: () => undefined,
    unwant: () => {
      state.unwanted += 1;
    },
    want: async () => {
      const end = ends[Math.min(state.tries, ends.length - 1)] as ErrorCode | "ok";
      state.tries += 1;
      state.nowMs += 1_000;
      state.bytes += bytesPerTry;
      if (end !== "ok") throw new SwarmError(end, end);
      return SOURCES;
    },
  };
  const deps = { nowMs: () => state.nowMs, partialBytes: () => state.bytes };
  return { state, wants: patientWants(inner, deps, { patienceMs: 5_000, pauseMs: 1 }) };
}

describe("patientWants", () => {
  it("tries again while nobody can send, and no other failure", async () => {
    const { wants, state } = make(["NO_SOURCE", "NO_SOURCE", "ok"]);
    assert.equal(await wants.want(REQUEST), SOURCES);
    assert.equal(state.tries, 3);
    const full = make(["NO_SPACE", "ok"]);
    await assert.rejects(full.wants.want(REQUEST), { code: "NO_SPACE" });
    assert.equal(full.state.tries, 1);
  });

  it("gives up when nothing comes for long, and not while something does", async () => {
    const { wants, state } = make(["NO_SOURCE"]);
    await assert.rejects(wants.want(REQUEST), { code: "NO_SOURCE" });
    assert.equal(state.tries, 5);
    const slow = make([...Array.from({ length: 20 }, () => "NO_SOURCE" as const), "ok"], 10);
    assert.equal(await slow.wants.want(REQUEST), SOURCES);
  });

  it("can be taken back while it waits", async () => {
    const { wants, state } = make(["NO_SOURCE"]);
    const wanted = wants.want(REQUEST);
    await new Promise((resolve) => setImmediate(resolve));
    wants.unwant(REQUEST.pull, REQUEST.blob);
    await assert.rejects(wanted, { code: "INTERRUPTED" });
    assert.deepEqual([state.tries, state.unwanted], [1, 1]);
  });
});
