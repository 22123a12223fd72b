/** Limits change while transfers run; `swarm peers` says what went over which link. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { PeerStatus } from "@swarmd/protocol/api";
import { MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

interface Run {
  readonly flag: string;
  readonly exitCode: number;
  /** Bytes per second under the first limit, and under the lower one. */
  readonly slow: number;
  readonly slower: number;
  readonly leftBytes: number;
  readonly liftedS: number;
}

interface Refused {
  readonly exitCode: number;
  readonly stderr: string;
}

interface Result {
  readonly runs: readonly Run[];
  readonly limits: { readonly slow: number; readonly slower: number; readonly sizeBytes: number };
  readonly shown: unknown;
  readonly wrong: Refused;
  readonly peerless: Refused;
  readonly peersOfFirst: readonly (PeerStatus & { readonly state: string })[];
  readonly peersOfThird: readonly (PeerStatus & { readonly state: string })[];
}

/** What may come on top of a limit: bytes under way when it changed, and the time that a look takes. */
const TOLERANCE = 1.5;

describe("limits of a running node", {
  skip: MAY_MAKE_NAMESPACES ? false : "needs root on Linux, to make a network namespace",
}, () => {
  let result: Result;
  before(async () => {
    result = await runInNamespace<Result>(fileURLToPath(new URL("./limits-run.js", import.meta.url)));
  });

  for (const flag of ["--max-origin", "--max-download", "--max-upload"]) {
    it(`${flag} slows what is running down, and lets it go again`, (t) => {
      const { limits, runs } = result;
      const run = runs.find((one) => one.flag === flag);
      assert.ok(run !== undefined);
      t.diagnostic(
        `${run.slow.toFixed(0)} B/s, then ${run.slower.toFixed(0)} B/s, rest in ${run.liftedS.toFixed(1)} s`,
      );
      assert.equal(run.exitCode, 0);
      assert.ok(run.slow > 0 && run.slow < limits.slow * TOLERANCE, `${run.slow} B/s`);
      assert.ok(run.slower < limits.slower * TOLERANCE, `${run.slower} B/s`);
      const underLimitS = run.leftBytes / limits.slow;
      assert.ok(run.liftedS < underLimitS / 2, `the rest took ${run.liftedS} s, ${underLimitS} s at the first limit`);
    });
  }

  it("are shown, and what makes no sense is refused with the flag that said it", () => {
    assert.deepEqual(result.shown, { maxUpload: null, maxDownload: null, maxOrigin: null });
    assert.equal(result.wrong.exitCode, 2);
    assert.match(result.wrong.stderr, /--max-upload: not a clear rate: "10Mb\/s"/);
    assert.equal(result.peerless.exitCode, 2);
    assert.match(result.peerless.stderr, /goes without peers/);
  });

  it("swarm peers counts what came and went over each link, and says which is chosen", () => {
    const { peersOfFirst, peersOfThird, limits } = result;
    const links = (peers: Result["peersOfFirst"]) => peers.flatMap((peer) => peer.links);
    assert.ok(peersOfFirst.every(({ state }) => state === "up"));
    const sent = links(peersOfFirst).reduce((sum, { bytesSent }) => sum + bytesSent, 0);
    assert.ok(sent >= 2 * limits.sizeBytes, `${sent} bytes sent to two peers`);
    const used = links(peersOfThird).filter(({ bytesReceived }) => bytesReceived > 0);
    assert.equal(used.length, 1);
    assert.ok((used[0]?.bytesReceived ?? 0) >= limits.sizeBytes * 0.9 && (used[0]?.measuredBytesPerSecond ?? 0) > 0);
    for (const { links: all } of peersOfThird) {
      assert.deepEqual(
        all.map(({ isChosen }) => isChosen),
        all.map((_, index) => index === 0),
      );
      assert.ok(all.every(({ whyChosen }) => whyChosen.length > 0));
    }
  });
});
