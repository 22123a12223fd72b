import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OriginUseBook } from "./origin-use-book.js";

const DAY = "2026-11-21";
const kept = (text: string | undefined) => {
  const written: string[] = [];
  return { written, read: async () => text, write: async (now: string) => void written.push(now) };
};

describe("the count of what came from the origin", () => {
  it("has what came before it was read, and writes nothing over it until then", async () => {
    const records = kept(`{"day":"${DAY}","backgroundBytes":10,"foregroundBytes":20}`);
    const book = new OriginUseBook({ budgetBytes: 100 }, { records });
    book.note(1, true);
    await book.stop();
    assert.deepEqual(records.written, []);
    await book.load(DAY);
    book.note(2, false);
    assert.deepEqual(book.today, { day: DAY, backgroundBytes: 11, foregroundBytes: 22, budgetBytes: 100 });
    await book.stop();
    assert.deepEqual(records.written, [`{"day":"${DAY}","backgroundBytes":11,"foregroundBytes":22}\n`]);
  });

  it("says once that the budget is used up, whoever used it", async () => {
    const book = new OriginUseBook({ budgetBytes: 100 }, { records: kept(undefined) });
    await book.load(DAY);
    assert.deepEqual([book.note(60, true), book.note(40, false), book.note(1, true)], [false, true, false]);
    book.roll("2026-11-22");
    assert.equal(book.leftBytes, 100);
    assert.equal(book.note(100, true), true);
    await book.stop();
  });

  it("without a budget never says so", async () => {
    const book = new OriginUseBook({ budgetBytes: undefined }, { records: kept(undefined) });
    await book.load(DAY);
    assert.equal(book.note(1e15, true), false);
    await book.stop();
  });

  for (const text of [
    "",
    "null",
    "{",
    "[]",
    '{"day":"today","backgroundBytes":1,"foregroundBytes":1}',
    '{"day":"2026-11-21","backgroundBytes":-1,"foregroundBytes":1}',
  ]) {
    it(`begins anew after ${JSON.stringify(text)}`, async () => {
      const book = new OriginUseBook({ budgetBytes: 100 }, { records: kept(text) });
      await book.load(DAY);
      assert.equal(book.leftBytes, 100);
    });
  }
});
