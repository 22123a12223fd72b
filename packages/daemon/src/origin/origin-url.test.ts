import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SwarmError } from "@swarmd/protocol";
import { parseOriginUrl, showUrl } from "./origin-url.js";

describe("parseOriginUrl", () => {
  it("takes credentials out and makes a header of them", () => {
    const { url, authorization } = parseOriginUrl("https://me%40x:p%3Aw@example.org/a?b=c#d");
    assert.equal(url.href, "https://example.org/a?b=c");
    assert.equal(authorization, `Basic ${Buffer.from("me@x:p:w").toString("base64")}`);
  });

  it("leaves a stray percent sign in a password alone", () => {
    const { authorization } = parseOriginUrl("https://me:100%@example.org/a");
    assert.equal(authorization, `Basic ${Buffer.from("me:100%").toString("base64")}`);
  });

  it("has no header without credentials", () =>
    assert.deepEqual(Object.keys(parseOriginUrl("http://example.org/")), ["url"]));

  for (const text of ["", "example.org/x", "ftp://secret@example.org/x", "https://secret:secret@:x/"]) {
    it(`refuses ${JSON.stringify(text)} without repeating it`, () =>
      assert.throws(
        () => parseOriginUrl(text),
        (error) => error instanceof SwarmError && error.code === "USAGE" && !error.message.includes("secret"),
      ));
  }
});

it("showUrl leaves out what may be a signature", () =>
  assert.equal(showUrl(new URL("https://cdn.example:8443/a/b?Signature=x#y")), "https://cdn.example:8443/a/b"));
