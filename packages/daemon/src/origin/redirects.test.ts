import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { authorizationFor, redirectTarget } from "./redirects.js";

describe("authorizationFor", () => {
  const start = { url: new URL("https://hub.example/a"), authorization: "Bearer x" };
  for (const [id, url, isSent] of [
    ["the same host", "https://hub.example/b?c", true],
    ["the default port, written out", "https://hub.example:443/b", true],
    ["another host", "https://cdn.example/a", false],
    ["a host within that one", "https://cdn.hub.example/a", false],
    ["another port", "https://hub.example:8443/a", false],
    ["no TLS any more", "http://hub.example/a", false],
  ] as const) {
    it(`${id}: ${isSent ? "sent" : "kept back"}`, () =>
      assert.equal(authorizationFor(new URL(url), start), isSent ? "Bearer x" : undefined));
  }
});

describe("redirectTarget", () => {
  const from = new URL("https://hub.example/a/b?c");
  for (const [location, target] of [
    ["/x?y", "https://hub.example/x?y"],
    ["x", "https://hub.example/a/x"],
    ["//cdn.example/x", "https://cdn.example/x"],
    ["https://me:pw@cdn.example/x#y", "https://cdn.example/x"],
  ] as const) {
    it(location, () => assert.equal(redirectTarget({ status: 302, fields: { location } }, from).href, target));
  }
  for (const location of [undefined, "http://[", "javascript:alert(1)", "file:///etc/passwd"]) {
    it(`refuses ${location}`, () =>
      assert.throws(() => redirectTarget({ status: 302, fields: { location } }, from), { code: "ORIGIN_FAULT" }));
  }
});
