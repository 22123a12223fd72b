import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BlobId, NodeId } from "@swarmd/protocol";
import { Promises } from "./promises.js";

const BLOB = `sha256:${"a".repeat(64)}` as BlobId;
const [LOW, HIGH] = ["1-low", "2-high"] as NodeId[] as [NodeId, NodeId];
const rank = (node: NodeId) => Number(node[0]);

describe("Promises", () => {
  it("a holder without plans of its own promises; afterwards it may have plans, and needs a promise itself", () => {
    const holder = new Promises({ self: LOW, rank });
    assert.equal(holder.promise(HIGH, BLOB), true);
    const intent = holder.intend(BLOB);
    assert.equal(holder.stands(BLOB, intent), true);
  });

  it("of two that intend the same, exactly one may drop, whoever asks first", () => {
    for (const first of [LOW, HIGH]) {
      const nodes = new Map([LOW, HIGH].map((self) => [self, new Promises({ self, rank })]));
      const intents = new Map([...nodes].map(([self, node]) => [self, node.intend(BLOB)]));
      const order = first === LOW ? [LOW, HIGH] : [HIGH, LOW];
      const may = order.filter((asker) => {
        const other = asker === LOW ? HIGH : LOW;
        return nodes.get(other)?.promise(asker, BLOB) === true;
      });
      const drops = may.filter((asker) => nodes.get(asker)?.stands(BLOB, intents.get(asker) ?? 0));
      assert.deepEqual(drops, [LOW]);
    }
  });

  it("a promise given takes our own intent back, and a later one does not bring it back", () => {
    const node = new Promises({ self: HIGH, rank });
    const first = node.intend(BLOB);
    assert.equal(node.stands(BLOB, first), true);
    node.promise(LOW, BLOB);
    const second = node.intend(BLOB);
    assert.deepEqual([node.stands(BLOB, first), node.stands(BLOB, second)], [false, true]);
    node.withdraw(BLOB, first);
    assert.equal(node.stands(BLOB, second), true);
  });

  it("an intent that was withdrawn refuses nobody", () => {
    const node = new Promises({ self: LOW, rank });
    const intent = node.intend(BLOB);
    assert.equal(node.promise(HIGH, BLOB), false);
    node.withdraw(BLOB, intent);
    assert.equal(node.promise(HIGH, BLOB), true);
  });
});
