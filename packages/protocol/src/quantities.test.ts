import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { SwarmError } from "./errors.js";
import { formatBytes, formatDuration, formatRate, parseBytes, parseDuration, parseRate } from "./quantities.js";

function isUsage(hint: RegExp): (error: SwarmError) => boolean {
  return (error) => {
    assert.equal(error.code, "USAGE");
    assert.match(error.hint ?? "", hint);
    return true;
  };
}

describe("parseBytes", () => {
  const good: readonly [text: string, bytes: number][] = [
    ["0", 0],
    ["4096", 4096],
    ["500GB", 500e9],
    ["500gb", 500e9],
    ["1.5 GiB", 1.5 * 1024 ** 3],
    ["16M", 16e6],
    ["16MiB", 16 * 1024 ** 2],
    [".5k", 500],
    [" 1 TB ", 1e12],
    ["8PB", 8e15],
  ];
  for (const [text, bytes] of good) it(JSON.stringify(text), () => assert.equal(parseBytes(text), bytes));

  const bad: readonly [text: string, hint: RegExp][] = [
    ["", /500GB/],
    ["GB", /500GB/],
    ["-1GB", /500GB/],
    ["1e9", /500GB/],
    ["5GBB", /Did you mean GB/],
    ["5GIGS", /500GB/],
    ["5 constructor", /500GB/],
    ["1.2.3GB", /500GB/],
    ["99999PB", /9 PB/],
    ["9".repeat(400), /500GB/],
  ];
  for (const [text, hint] of bad) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => assert.throws(() => parseBytes(text), isUsage(hint)));
  }
});

describe("parseRate", () => {
  const good: readonly [text: string, bytesPerSecond: number | undefined][] = [
    ["off", undefined],
    ["OFF", undefined],
    ["20MB/s", 20e6],
    ["20MBps", 20e6],
    ["20M", 20e6],
    ["200Mbit/s", 25e6],
    ["200Mbps", 25e6],
    ["1gbit/s", 125e6],
    ["1MiB/s", 1024 ** 2],
  ];
  for (const [text, rate] of good) it(JSON.stringify(text), () => assert.equal(parseRate(text), rate));

  const bad: readonly [text: string, hint: RegExp][] = [
    ["", /20MB\/s/],
    ["of", /Did you mean off/],
    ["unlimited", /20MB\/s/],
    ["20Mb/s", /20MB\/s for bytes or 20Mbit\/s for bits/],
    ["20MB/h", /Did you mean/],
    ["0", /off for no bound/],
    ["-5MB/s", /20MB\/s/],
  ];
  for (const [text, hint] of bad) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseRate(text), isUsage(hint)));
  }
});

describe("parseDuration", () => {
  const good: readonly [text: string, ms: number][] = [
    ["250ms", 250],
    ["90s", 90_000],
    ["1.5h", 5_400_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    ["7d", 604_800_000],
    ["1w", 604_800_000],
  ];
  for (const [text, ms] of good) it(JSON.stringify(text), () => assert.equal(parseDuration(text), ms));

  for (const text of ["", "90", "h", "1h30", "1y", "-1s", "1toString"]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseDuration(text), isUsage(/1h30m/)));
  }
});

describe("formatting", () => {
  const sizes: readonly [bytes: number, text: string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [15_230_000_000, "15.2 GB"],
    [99_960, "100 kB"],
    [4e18, "4000 PB"],
    [-5, "0 B"],
  ];
  for (const [bytes, text] of sizes) it(`${bytes} bytes`, () => assert.equal(formatBytes(bytes), text));

  it("a rate is a size a second", () => assert.equal(formatRate(112e6), "112 MB/s"));

  const spans: readonly [ms: number, text: string][] = [
    [0, "0ms"],
    [420.4, "420ms"],
    [999.6, "1.0s"],
    [4849, "4.8s"],
    [9960, "10s"],
    [59_400, "59s"],
    [59_600, "1m 00s"],
    [185_000, "3m 05s"],
    [7_800_000, "2h 10m"],
    [273_600_000, "3d 04h"],
  ];
  for (const [ms, text] of spans) it(`${ms} ms`, () => assert.equal(formatDuration(ms), text));

  it("what is printed can be read again, to three digits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9e15 }), (bytes) => {
        const again = parseBytes(formatBytes(bytes));
        assert.ok(Math.abs(again - bytes) <= bytes * 0.0051, `${bytes} -> ${formatBytes(bytes)} -> ${again}`);
        const rate = parseRate(formatRate(bytes + 1));
        assert.ok(rate !== undefined && Math.abs(rate - bytes - 1) <= (bytes + 1) * 0.0051);
      }),
    );
  });

  it("a span of time is right to its second unit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 1e10 }), (ms) => {
        const again = parseDuration(formatDuration(ms));
        assert.ok(Math.abs(again - ms) <= Math.max(600, ms / 23), `${ms} -> ${formatDuration(ms)} -> ${again}`);
      }),
    );
  });
});
