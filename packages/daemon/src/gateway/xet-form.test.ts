import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CHUNK_BYTES, layOut, planReconstruction, XORB_BYTES, xorbWireBytes } from "./xet-form.js";

const SIZE = 2 * XORB_BYTES + 3 * CHUNK_BYTES + 77;

interface Plan {
  readonly offset_into_first_range: number;
  readonly terms: readonly { hash: string; unpacked_length: number; range: { start: number; end: number } }[];
  readonly fetch_info: Record<
    string,
    readonly { range: { start: number; end: number }; url: string; url_range: { start: number; end: number } }[]
  >;
}

/** What a client does with a plan: which bytes of the file it ends up with. */
function follow(plan: Plan, length: number): { from: number; to: number }[] {
  const stretches: { from: number; to: number }[] = [];
  let skip = plan.offset_into_first_range;
  let left = length;
  for (const { hash, unpacked_length, range } of plan.terms) {
    const [fetch] = plan.fetch_info[hash] ?? [];
    assert.deepEqual(fetch?.range, range);
    const { start, end } = (fetch as NonNullable<typeof fetch>).url_range;
    let unpacked = 0;
    let expected = 0;
    for (const part of layOut(SIZE, Number(fetch?.url), { startBytes: start, endBytes: end + 1 })) {
      if (Buffer.isBuffer(part)) {
        assert.equal(part.length, 8, "a range of chunks begins with a whole head");
        assert.equal(part[0], 0);
        assert.equal(part[4], 0);
        expected = part.readUIntLE(1, 3);
        assert.equal(part.readUIntLE(5, 3), expected);
        continue;
      }
      assert.equal(part.endBytes - part.startBytes, expected);
      unpacked += expected;
      const from = part.startBytes + Math.min(skip, expected);
      skip -= Math.min(skip, expected);
      const to = Math.min(part.endBytes, from + left);
      left -= to - from;
      if (to > from) stretches.push({ from, to });
    }
    assert.equal(unpacked, unpacked_length);
  }
  assert.equal(left, 0);
  return stretches;
}

describe("a file in the form of Xet", () => {
  it("put together, any range is that range", () => {
    fc.assert(
      fc.property(fc.nat(SIZE - 1), fc.nat(SIZE - 1), (a, b) => {
        const range = { startBytes: Math.min(a, b), endBytes: Math.max(a, b) + 1 };
        const plan = planReconstruction({ id: "x", sizeBytes: SIZE }, range, String) as unknown as Plan;
        let at = range.startBytes;
        for (const { from, to } of follow(plan, range.endBytes - range.startBytes)) {
          assert.equal(from, at);
          at = to;
        }
        assert.equal(at, range.endBytes);
      }),
      { numRuns: 200 },
    );
  });

  it("any stretch of a xorb on the wire is as long as it was asked to be", () => {
    const wireBytes = xorbWireBytes(SIZE, 2) as number;
    assert.equal(wireBytes, 3 * CHUNK_BYTES + 77 + 4 * 8);
    assert.equal(xorbWireBytes(SIZE, 3), undefined);
    fc.assert(
      fc.property(fc.nat(wireBytes - 1), fc.nat(wireBytes - 1), (a, b) => {
        const wire = { startBytes: Math.min(a, b), endBytes: Math.max(a, b) + 1 };
        let bytes = 0;
        for (const part of layOut(SIZE, 2, wire)) {
          bytes += Buffer.isBuffer(part) ? part.length : part.endBytes - part.startBytes;
        }
        assert.equal(bytes, wire.endBytes - wire.startBytes);
      }),
    );
  });
});
