import assert from "node:assert/strict";
import { test } from "node:test";
import { isTooSlow, type Stream } from "./too-slow.js";

const stream = (from: string, crawls: boolean, isSecondTry = false): Stream => {
  return { from, crawls, isFromOrigin: from === "origin", isSecondTry };
};
const crawling = (...from: string[]) => from.map((one) => stream(one, true));
const flowing = (...from: string[]) => from.map((one) => stream(one, false));

const CASES: readonly { readonly id: string; readonly streams: readonly Stream[]; readonly expected: boolean }[] = [
  { id: "nothing is under way", streams: [], expected: false },
  { id: "all flows", streams: flowing("origin", "a", "b"), expected: false },
  {
    id: "all that others wait for crawls, whatever else flows",
    streams: [...crawling("origin", "origin"), ...flowing("a", "b", "c")],
    expected: true,
  },
  {
    id: "one connection may be unlucky",
    streams: [...crawling("origin"), ...flowing("a", "b", "c")],
    expected: false,
  },
  {
    id: "the other connection is no better",
    streams: [stream("origin", true, true), ...flowing("a", "b", "c")],
    expected: true,
  },
  {
    id: "others of our connections flow",
    streams: [stream("origin", true, true), ...flowing("origin", "a")],
    expected: false,
  },
  {
    id: "nearly all crawls, from several peers",
    streams: [...crawling("a", "a", "b", "c"), ...flowing("d")],
    expected: true,
  },
  { id: "two slow peers are their own fault", streams: crawling("a", "a", "b", "b"), expected: false },
  { id: "three streams are too few", streams: crawling("a", "b", "c"), expected: false },
  {
    id: "a third still flows: it is not us",
    streams: [...crawling("a", "b", "c", "d"), ...flowing("e", "f")],
    expected: false,
  },
];

for (const { id, streams, expected } of CASES) test(id, () => assert.equal(isTooSlow(streams), expected));
