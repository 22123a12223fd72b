/** Several real daemons on one LAN, as processes: one copy over the line, the rest among themselves. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Done, MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

const SCRIPT = fileURLToPath(new URL("./swarm-run.js", import.meta.url));

interface Result {
  readonly egress: number;
  readonly cold: readonly Done[];
  readonly lateEgress: number;
  readonly late: Done;
  readonly alone: Done;
  readonly sizeBytes: number;
}

describe("a swarm of processes", {
  skip: MAY_MAKE_NAMESPACES ? false : "needs root on Linux, to make a network namespace",
}, () => {
  it("brings one copy over the line, however many start cold; a late node needs none; --no-peer needs its own", async (t) => {
    const { egress, cold, lateEgress, late, alone, sizeBytes } = await runInNamespace<Result>(SCRIPT);
    t.diagnostic(`egress of ${cold.length} cold nodes: ${egress.toFixed(3)}; of a late one: ${lateEgress.toFixed(3)}`);
    // How close to 1 it comes is measured where the machine is quiet (`npm run lan`); here it must be clear that they share.
    assert.ok(egress < cold.length / 2, `${egress} copies left the origin`);
    for (const { bytesFromPeers } of cold) assert.ok(bytesFromPeers > 0);
    assert.equal(lateEgress, 0);
    assert.ok(late.bytesFromPeers >= sizeBytes);
    assert.equal(alone.bytesFromPeers, 0);
    assert.ok(alone.bytesFromOrigin >= sizeBytes);
  });
});
