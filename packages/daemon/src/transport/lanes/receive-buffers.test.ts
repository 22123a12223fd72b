import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReceiveBuffers } from "./receive-buffers.js";

const MIB = 1024 * 1024;
const FAST_READ = 128 * 1024;

describe("ReceiveBuffers", () => {
  it("gives small buffers until a connection brings much with one read", () => {
    const buffers = new ReceiveBuffers();
    assert.equal(buffers.take().length, MIB / 4);
    assert.equal(buffers.take(FAST_READ - 1).length, MIB / 4);
    assert.equal(buffers.take(FAST_READ).length, 4 * MIB);
  });

  it("makes no more than 12 MiB of large ones, and gives back what came back", () => {
    const buffers = new ReceiveBuffers();
    const large = Array.from({ length: 3 }, () => buffers.take(FAST_READ));
    assert.equal(
      large.reduce((sum, { length }) => sum + length, 0),
      12 * MIB,
    );
    assert.equal(buffers.take(FAST_READ).length, MIB / 4);
    const back = large[1] as Buffer;
    buffers.give(back);
    assert.equal(buffers.take(FAST_READ), back);
    assert.equal(buffers.take(FAST_READ).length, MIB / 4);
  });

  it("keeps half of a large buffer as room for a read, and an eighth of a small one", () => {
    const buffers = new ReceiveBuffers();
    const small = buffers.take();
    const large = buffers.take(FAST_READ);
    assert.equal(buffers.isSpent(large, 2 * MIB), false);
    assert.equal(buffers.isSpent(large, 2 * MIB + 1), true);
    assert.equal(buffers.isSpent(small, (7 * MIB) / 32), false);
    assert.equal(buffers.isSpent(small, (7 * MIB) / 32 + 1), true);
  });
});
