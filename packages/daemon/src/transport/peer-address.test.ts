import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePeerAddress } from "./peer-address.js";

describe("--peer", () => {
  for (const [text, expected] of [
    ["192.168.1.7", "/ip4/192.168.1.7/tcp/7482"],
    ["192.168.1.7:9000", "/ip4/192.168.1.7/tcp/9000"],
    ["gpu-box:9000", "/dns/gpu-box/tcp/9000"],
    ["[fd00::7]:9000", "/ip6/fd00::7/tcp/9000"],
    ["fd00::7", "/ip6/fd00::7/tcp/7482"],
    ["/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1"],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parsePeerAddress(text).toString(), expected));
  }
  for (const text of [
    "",
    "a b",
    "host:0",
    "host:99999",
    "http://host",
    "/ip4/10.0.0.1/udp/1",
    "/nonsense",
    "/ip4/x/tcp/1",
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parsePeerAddress(text), { code: "USAGE" }));
  }
});
