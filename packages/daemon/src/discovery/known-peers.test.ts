import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { KNOWN_MS, KnownPeers } from "./known-peers.js";

const ANSWER = Buffer.from("anna is at 10.0.0.1");
const LATER = Buffer.from("anna is at 10.0.0.1 and 10.1.0.1");

describe("peers that have answered", () => {
  let known: KnownPeers<string>;

  beforeEach(() => {
    known = new KnownPeers();
    known.note(ANSWER, { instance: "one", peer: "anna" }, 0);
  });

  it("are known by their answer, byte for byte, and need not answer for a while", () => {
    assert.equal(known.find(ANSWER, 1), "anna");
    assert.equal(known.find(LATER, 1), undefined);
    assert.deepEqual(known.fresh(KNOWN_MS), ["one"]);
    assert.deepEqual(known.fresh(KNOWN_MS + 1), []);
  });

  it("are heard again by the same answer", () => {
    known.find(ANSWER, KNOWN_MS);
    assert.deepEqual(known.fresh(KNOWN_MS + 1), ["one"]);
  });

  it("are known by their last answer only", () => {
    known.note(LATER, { instance: "one", peer: "anna" }, 1);
    assert.equal(known.find(ANSWER, 2), undefined);
    assert.equal(known.find(LATER, 2), "anna");
    assert.deepEqual(known.fresh(2), ["one"]);
  });

  it("have to answer again when they are looked for", () => {
    known.note(Buffer.from("bert"), { instance: "two", peer: "bert" }, 0);
    known.forget((peer) => peer === "anna");
    assert.deepEqual(known.fresh(1), ["two"]);
    assert.equal(known.find(ANSWER, 1), undefined);
  });

  it("are so many at most, the longest known first to go", () => {
    for (let index = 0; index < 1_024; index += 1) {
      known.note(Buffer.from(`answer ${index}`), { instance: `${index}`, peer: `${index}` }, 0);
    }
    assert.equal(known.fresh(1).length, 1_024);
    assert.equal(known.find(ANSWER, 1), undefined);
  });
});
