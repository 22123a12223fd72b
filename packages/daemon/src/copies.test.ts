import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseBlobId, parseCommitId, parseNodeId, parseRepoSpec } from "@swarmd/protocol";
import type { PlaceRequest } from "@swarmd/protocol/wire";
import { CopyDesk, type CopyDeskDeps, neighboursOf } from "./copies.js";
import { createSilentLogger } from "./observe/logger.js";

const PEER = parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1");
const COMMIT = parseCommitId("c1".repeat(20));
const blobOf = (byte: string) => parseBlobId(`sha256:${byte.repeat(32)}`);
const ROOM_BYTES = 100;
const { signal } = new AbortController();

function order(name: string, sizeBytes: number): { readonly type: "place" } & PlaceRequest {
  const { repo } = parseRepoSpec(name);
  return { type: "place", repo, commit: COMMIT, sizeBytes, leaseMs: 1_000, isJustAsking: false };
}

function deskOf({ takesCopies }: Pick<CopyDeskDeps, "takesCopies">) {
  const pulled: string[] = [];
  let finish: () => void = () => undefined;
  const desk = new CopyDesk({
    keeper: {
      roomFor: async () => ({ isHere: false, roomBytes: ROOM_BYTES }),
      holdCopy: () => undefined,
      keepFor: (_peer, blobs) => blobs,
    },
    store: { find: async () => undefined, has: () => false },
    pulls: {
      run: ({ target }) => {
        pulled.push(target);
        return new Promise((resolve) => {
          finish = resolve;
        });
      },
    },
    logger: createSilentLogger(),
    mayTellOf: () => true,
    takesCopies,
  });
  return { desk, pulled, finish: () => finish() };
}

describe("copies for others", () => {
  it("takes one at a time, and none that does not fit", async () => {
    const { desk, pulled, finish } = deskOf({ takesCopies: true });
    const ask = async (name: string, bytes: number) => {
      const answer = await desk.answer(PEER, order(name, bytes));
      return answer.type === "placed" ? answer.answer : answer.type;
    };
    assert.equal(await ask("org/big", ROOM_BYTES + 1), "full");
    assert.equal(await ask("org/one", ROOM_BYTES), "coming");
    assert.equal(await ask("org/one", ROOM_BYTES), "coming");
    assert.equal(await ask("org/two", 1), "no");
    finish();
    await desk.stop();
    assert.deepEqual(pulled, [`org/one@${COMMIT}`]);
  });

  it("takes none where it was told so", async () => {
    const { desk, pulled } = deskOf({ takesCopies: false });
    assert.deepEqual(await desk.answer(PEER, order("org/one", 1)), {
      type: "placed",
      answer: "no",
      roomBytes: ROOM_BYTES,
    });
    assert.deepEqual(pulled, []);
    await desk.stop();
  });

  it("promises nothing that it does not have", async () => {
    const { desk } = deskOf({ takesCopies: true });
    assert.deepEqual(await desk.answer(PEER, { type: "keep", blobs: [blobOf("1a")] }), { type: "kept", blobs: [] });
    await desk.stop();
  });

  it("believes only what it asked about", async () => {
    const neighbours = neighboursOf(
      {
        id: PEER,
        connected: [PEER],
        askAboutCopies: async () => ({ type: "kept", blobs: [blobOf("1a"), blobOf("2b")] }),
      },
      () => [PEER],
    );
    assert.deepEqual(await neighbours.askToKeep(PEER, [blobOf("2b"), blobOf("3c")], { signal }), [blobOf("2b")]);
  });
});
