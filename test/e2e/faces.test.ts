/** Repos that no origin has, on real daemons: published on one, pulled by another, found from a third, over restarts and without the publisher. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Done, MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

const SCRIPT = fileURLToPath(new URL("./faces-run.js", import.meta.url));

interface Answer {
  readonly exitCode: number;
  readonly message: string;
  readonly hint: string;
}

interface Row {
  readonly node: string;
  readonly isUp: boolean;
  readonly has: string;
  readonly publisher: string | null;
}

interface Result {
  readonly added: {
    readonly exitCode: number;
    readonly commit: string;
    readonly publisher: string;
    readonly bytes: number;
    readonly isSame: boolean;
  };
  readonly again: { readonly commit: string; readonly isSame: boolean };
  readonly pulled: Done;
  readonly pulledLater: Done;
  readonly isSame: boolean;
  readonly listed: { readonly revisions: readonly { readonly repo: string; readonly publisher?: string }[] };
  readonly manifestByThird: {
    readonly publisher: string;
    readonly tensors: readonly { readonly name: string; readonly dtype: string; readonly length: number }[];
    readonly heads: readonly { readonly source: string }[];
    readonly files: readonly { readonly path: string }[];
  };
  readonly locatedByThird: readonly Row[];
  readonly remembered: readonly Row[];
  readonly afterRemoval: readonly Row[];
  readonly publisherBack: readonly Row[];
  readonly pinned: Answer;
  readonly served: { readonly status: number; readonly commit: string; readonly isRight: boolean };
  readonly removed: Answer;
  readonly [refused: string]: unknown;
}

describe("repos that no origin has", {
  skip: MAY_MAKE_NAMESPACES ? false : "needs root on Linux, to make a network namespace",
}, () => {
  let result: Result;
  before(async () => {
    result = await runInNamespace<Result>(SCRIPT);
  });

  it("are published once, however often they are added", () => {
    const { added, again } = result;
    assert.deepEqual([added.exitCode, added.isSame, again.isSame], [0, false, true]);
    assert.equal(again.commit, added.commit);
  });

  it("are pulled from the publisher when it is named, byte for byte, and nothing of them from the origin", () => {
    const { pulled, added, isSame, listed } = result;
    assert.deepEqual([pulled.bytesFromOrigin, pulled.bytesFromPeers], [0, added.bytes]);
    assert.ok(isSame);
    assert.deepEqual(
      listed.revisions.map(({ repo, publisher }) => [repo, publisher]),
      [["me/finetune", added.publisher]],
    );
  });

  it("are found from a third node, with what is in them", () => {
    const { locatedByThird, manifestByThird, added } = result;
    assert.equal(
      locatedByThird.filter(({ isUp, has, publisher }) => isUp && has === "whole" && publisher === added.publisher)
        .length,
      2,
    );
    assert.equal(manifestByThird.publisher, added.publisher);
    assert.deepEqual(
      manifestByThird.tensors.map(({ name, dtype }) => [name, dtype]),
      [["w", "U8"]],
    );
    assert.deepEqual(
      manifestByThird.heads.map(({ source }) => source),
      ["peer"],
    );
    assert.deepEqual(
      manifestByThird.files.map(({ path }) => path),
      ["config.json", "model.safetensors", "sub/empty"],
    );
  });

  it("outlive their publisher and restarts: its word stays good, and who has pulled them serves them", () => {
    const { remembered, pulledLater, added, pinned } = result;
    assert.ok(remembered.some(({ node }) => node === added.publisher));
    assert.deepEqual([pulledLater.bytesFromOrigin, pulledLater.bytesFromPeers], [0, added.bytes]);
    assert.equal(pinned.exitCode, 0, "a name that was taken needs no --from any more");
  });

  it("are served by the gateway of who has pulled them", () => {
    assert.deepEqual(result.served, { status: 206, commit: result.added.commit, isRight: true });
  });

  it("are pulled by a node that runs for that pull only", () => {
    const guest = result.guest as { readonly exitCode: number; readonly bytesFromPeers: number };
    assert.deepEqual([guest.exitCode, guest.bytesFromPeers], [0, result.added.bytes]);
  });

  it("are gone from sight with the last file", () => {
    const { removed, afterRemoval, publisherBack, added } = result;
    assert.equal(removed.exitCode, 0);
    assert.equal(afterRemoval.filter(({ isUp }) => isUp).length, 1);
    assert.ok(publisherBack.some(({ node, isUp }) => node === added.publisher && isUp));
  });

  for (const [what, name, exitCode, message] of [
    [
      "a stranger's repo is not taken unasked, and who publishes it is told",
      "unnamed",
      3,
      /publishes a repo me\/finetune on this LAN/,
    ],
    ["a node that does not publish it has nothing", "wrongNode", 3, /publishes no me\/finetune@main/],
    ["a name of the origin's can't be published", "taken", 2, /is a repo at the origin/],
    ["a name of the origin's can't be pulled from a node", "shadow", 2, /is a repo at the origin/],
    ["another publisher's name can't be published", "theirs", 2, /is what node .* publishes/],
    ["an empty folder", "empty", 2, /holds no file/],
    ["a link that leads out", "linked", 2, /is a link/],
    ["a folder that is not there", "missing", 2, /there is no/],
    ["a device", "device", 2, /neither a file nor a folder/],
    ["a name that climbs", "badName", 2, /not a repo name/],
  ] as const) {
    it(`refused: ${what}`, () => {
      const answer = result[name] as Answer;
      assert.equal(answer.exitCode, exitCode);
      assert.match(answer.message, message);
      assert.ok(answer.hint.length > 0);
    });
  }
});
