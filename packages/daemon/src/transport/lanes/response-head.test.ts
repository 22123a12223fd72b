import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SwarmError } from "@swarmd/protocol";
import fc from "fast-check";
import { parseRangeHeader } from "./byte-range.js";
import { parseResponseHead } from "./response-head.js";

const text = (...lines: string[]) => lines.join("\r\n");

describe("parseResponseHead", () => {
  it("reads what it needs", () => {
    const head = text("HTTP/1.1 206 Partial Content", "content-LENGTH: 10", "Content-Range: bytes 5-14/100", "X: y");
    assert.deepEqual(parseResponseHead(head), {
      status: 206,
      lengthBytes: 10,
      range: { startBytes: 5, endBytes: 15, sizeBytes: 100 },
      retryAfterMs: undefined,
      keepAlive: true,
    });
    const busy = parseResponseHead(text("HTTP/1.1 503", "Content-Length: 0", "Retry-After: 2", "Connection: Close"));
    assert.deepEqual([busy.retryAfterMs, busy.keepAlive], [2_000, false]);
  });

  for (const { id, head } of [
    { id: "nothing", head: "" },
    { id: "another protocol", head: text("HTTP/1.0 200 OK", "Content-Length: 1") },
    { id: "no length", head: "HTTP/1.1 200 OK" },
    { id: "two lengths", head: text("HTTP/1.1 200 OK", "Content-Length: 1", "Content-Length: 1") },
    { id: "a negative length", head: text("HTTP/1.1 200 OK", "Content-Length: -1") },
    { id: "a length beyond what numbers hold", head: text("HTTP/1.1 200 OK", "Content-Length: 99999999999999999") },
    { id: "an encoding", head: text("HTTP/1.1 200 OK", "Content-Length: 1", "Transfer-Encoding: chunked") },
    { id: "a folded header", head: text("HTTP/1.1 200 OK", "Content-Length: 1", " folded") },
    { id: "a space before the colon", head: text("HTTP/1.1 200 OK", "Content-Length : 1") },
    { id: "a line feed alone", head: "HTTP/1.1 200 OK\nContent-Length: 1" },
  ]) {
    it(`refuses ${id}`, () => assert.throws(() => parseResponseHead(head), { code: "PEER_FAULT" }));
  }

  it("answers any text with a head or PEER_FAULT", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (rest) => {
        for (const head of [rest, `HTTP/1.1 206 OK\r\n${rest}`, `HTTP/1.1 200 OK\r\nContent-Length: ${rest}`]) {
          try {
            assert.ok(parseResponseHead(head).lengthBytes >= 0);
          } catch (error) {
            assert.ok(error instanceof SwarmError && error.code === "PEER_FAULT");
          }
        }
      }),
    );
  });
});

describe("parseRangeHeader", () => {
  for (const { header, range } of [
    { header: undefined, range: undefined },
    { header: "bytes=0-0", range: { startBytes: 0, endBytes: 1 } },
    { header: "bytes=7-", range: { startBytes: 7, endBytes: undefined } },
    { header: "bytes=5-4", range: "unsatisfiable" },
    { header: "bytes=-5", range: "unsatisfiable" },
    { header: "bytes=0-1,3-4", range: "unsatisfiable" },
    { header: "lines=0-1", range: "unsatisfiable" },
    { header: "bytes=0x1-0x2", range: "unsatisfiable" },
    { header: "bytes=9999999999999999-", range: "unsatisfiable" },
  ] as const) {
    it(`makes ${JSON.stringify(range)} of ${header}`, () => assert.deepEqual(parseRangeHeader(header), range));
  }
});
