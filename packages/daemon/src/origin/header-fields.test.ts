import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  parseByteCount,
  parseContentRange,
  parseDispositionName,
  parseEtag,
  parseLinkNext,
  parseRetryAfterMs,
} from "./header-fields.js";

describe("parseEtag", () => {
  for (const [field, etag] of [
    ['"abc"', "abc"],
    ['W/"abc"', "abc"],
    ["abc", "abc"],
    ['""', undefined],
    [undefined, undefined],
  ] as const) {
    it(`${field} is ${etag}`, () => assert.equal(parseEtag(field), etag));
  }
});

describe("parseByteCount", () => {
  for (const [field, count] of [
    ["0", 0],
    ["123", 123],
    ["9007199254740993", undefined],
    ["-1", undefined],
    ["1e3", undefined],
    ["5, 5", undefined],
    ["", undefined],
  ] as const) {
    it(`${JSON.stringify(field)} is ${count}`, () => assert.equal(parseByteCount(field), count));
  }
});

describe("parseContentRange", () => {
  const cases = [
    { field: "bytes 0-99/1234", expected: { range: { startBytes: 0, endBytes: 100 }, totalBytes: 1234 } },
    { field: "Bytes 5-5/*", expected: { range: { startBytes: 5, endBytes: 6 } } },
    { field: "bytes */0", expected: { totalBytes: 0 } },
    { field: "items 0-1/2", expected: undefined },
    { field: "bytes 0-/2", expected: undefined },
    { field: undefined, expected: undefined },
  ];
  for (const { field, expected } of cases) {
    it(`${field}`, () => assert.deepEqual(parseContentRange(field), expected));
  }
});

describe("parseRetryAfterMs", () => {
  const cases = [
    { id: "seconds", fields: { "retry-after": "7" }, ms: 7_000 },
    { id: "a date is ignored", fields: { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }, ms: undefined },
    { id: "the Hub's own field, rounded up", fields: { ratelimit: '"api";r=0;t=55' }, ms: 56_000 },
    { id: "goes before Retry-After", fields: { ratelimit: '"api";r=0;t=5', "retry-after": "90" }, ms: 6_000 },
    { id: "not while something remains", fields: { ratelimit: '"api";r=3;t=55' }, ms: undefined },
    { id: "r=05 is not r=0", fields: { ratelimit: '"api";r=05;t=55' }, ms: undefined },
    {
      id: "the longest of several that are exhausted",
      fields: { ratelimit: '"api";r=0;t=5, "resolvers";r=0;t=9, "pages";r=1;t=99' },
      ms: 10_000,
    },
    { id: "nothing said", fields: {}, ms: undefined },
  ];
  for (const { id, fields, ms } of cases) it(id, () => assert.equal(parseRetryAfterMs(fields), ms));
});

describe("parseLinkNext", () => {
  const cases = [
    { field: '<https://h/a?cursor=x%3D>; rel="next"', next: "https://h/a?cursor=x%3D" },
    { field: '<https://h/0>; rel="prev", <https://h/2>; rel="next"', next: "https://h/2" },
    { field: '<https://h/2>; title="a, b"; rel=next', next: "https://h/2" },
    { field: '<https://h/2>; rel="xet-auth"', next: undefined },
    { field: '<https://h/2>; rel="nextish"', next: undefined },
    { field: undefined, next: undefined },
  ];
  for (const { field, next } of cases) it(`${field}`, () => assert.equal(parseLinkNext(field), next));
});

describe("parseDispositionName", () => {
  const cases = [
    { field: 'attachment; filename="a b.gguf"', name: "a b.gguf" },
    { field: "attachment; filename=a.gguf", name: "a.gguf" },
    { field: "attachment; filename=plain.bin; filename*=UTF-8''gr%C3%BC%C3%9Fe.bin", name: "grüße.bin" },
    { field: "attachment; filename=plain.bin; filename*=UTF-8''%ff", name: "plain.bin" },
    { field: 'attachment; filename="a\\"b"', name: 'a"b' },
    { field: "inline", name: undefined },
  ];
  for (const { field, name } of cases) it(field, () => assert.equal(parseDispositionName(field), name));
});
