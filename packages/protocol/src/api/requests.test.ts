import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SwarmError } from "../errors.js";
import { parsePullRequest, parseRemoveRequest, parseVerifyRequest } from "./requests.js";

describe("parsePullRequest", () => {
  it("keeps what is given, and nothing else", () => {
    const body = {
      target: "org/name@v1",
      revision: "v1",
      include: ["*.json"],
      exclude: [],
      localDir: "/data",
      workers: 16,
      noPeer: true,
      offline: null,
    };
    const { offline: _, ...given } = body;
    assert.deepEqual(parsePullRequest(body), given);
  });

  for (const target of [
    "gpt2",
    "datasets/org/name",
    "https://host/a.gguf",
    "HTTP://host:80/a?b",
    "https://huggingface.co/a/b/resolve/main/x",
  ]) {
    it(`takes ${target}`, () => assert.deepEqual(parsePullRequest({ target }), { target }));
  }

  const bad: readonly { id: string; body: unknown; says: RegExp; hint?: RegExp }[] = [
    { id: "a list", body: [], says: /no JSON object/ },
    { id: "no target", body: {}, says: /target is missing/ },
    { id: "an empty target", body: { target: "" }, says: /target is empty/ },
    { id: "a target that is a number", body: { target: 5 }, says: /target is no text/ },
    { id: "a mistyped field", body: { target: "a/b", revison: "x" }, says: /"revison"/, hint: /revision\?/ },
    { id: "a mistyped type", body: { target: "modles/a/b" }, says: /not a repo name/, hint: /models\/a\/b/ },
    { id: "a slash at the end", body: { target: "a/b/" }, says: /not a repo name/, hint: /mean a\/b\?/ },
    { id: "a mistyped scheme", body: { target: "htps://host/x" }, says: /not a repo/, hint: /https:\/\/host\/x/ },
    {
      id: "a scheme without its colon",
      body: { target: "https//host/x" },
      says: /not a repo/,
      hint: /https:\/\/host\/x/,
    },
    { id: "the hf scheme", body: { target: "hf://a/b" }, says: /not a repo/, hint: /mean a\/b\?/ },
    { id: "the page of a repo", body: { target: "https://huggingface.co/a/b" }, says: /web page/, hint: /mean a\/b\?/ },
    {
      id: "the page of a branch",
      body: { target: "https://hf.co/datasets/a/b/tree/v2" },
      says: /web page/,
      hint: /datasets\/a\/b@v2/,
    },
    { id: "a URL without a host", body: { target: "https:///x" }, says: /not a URL/ },
    { id: "a URL with a blank", body: { target: "https://h/a b" }, says: /not a URL/ },
    { id: "a bad revision", body: { target: "a/b", revision: "../x" }, says: /not a revision/ },
    { id: "two revisions", body: { target: "a/b@x", revision: "y" }, says: /two revisions: x .* y/ },
    { id: "a revision of a URL", body: { target: "https://h/x", revision: "y" }, says: /revision is for repos/ },
    { id: "a folder for a URL", body: { target: "https://h/x", localDir: "/d" }, says: /localDir/, hint: /out/ },
    { id: "a folder and a name", body: { target: "a/b", localDir: "/d", out: "/o" }, says: /exclude each other/ },
    { id: "a relative folder", body: { target: "a/b", localDir: "d" }, says: /localDir is no absolute path/ },
    { id: "no workers", body: { target: "a/b", workers: 0 }, says: /workers/ },
    { id: "half a worker", body: { target: "a/b", workers: 1.5 }, says: /workers/ },
    { id: "too many workers", body: { target: "a/b", workers: 65 }, says: /1 to 64/ },
    { id: "a pattern that is a number", body: { target: "a/b", include: [1] }, says: /include/ },
    { id: "one pattern without its list", body: { target: "a/b", include: "*" }, says: /include/ },
    { id: "a switch that is a text", body: { target: "a/b", noPeer: "yes" }, says: /noPeer/ },
  ];
  for (const { id, body, says, hint = /^/ } of bad) {
    it(`refuses ${id}`, () => {
      assert.throws(
        () => parsePullRequest(body),
        (error: SwarmError) => {
          assert.equal(error.code, "USAGE");
          assert.match(error.message, says);
          assert.match(error.hint ?? "", hint);
          return true;
        },
      );
    });
  }

  it("calls a field what its users call it", () => {
    const names = { localDir: "--local-dir", out: "--out" };
    assert.throws(() => parsePullRequest({ target: "a/b", localDir: "/d", out: "/o" }, names), /--local-dir and --out/);
  });
});

describe("the other requests", () => {
  it("remove needs a repo", () => {
    assert.deepEqual(parseRemoveRequest({ target: "a/b@v1", partial: true }), { target: "a/b@v1", partial: true });
    assert.throws(() => parseRemoveRequest({ target: "https://h/x" }), { code: "USAGE" });
  });

  it("verify may go without", () => {
    assert.deepEqual(parseVerifyRequest({}), {});
    assert.deepEqual(parseVerifyRequest({ target: "a/b" }), { target: "a/b" });
    assert.throws(() => parseVerifyRequest({ target: "a//b" }), { code: "USAGE" });
  });
});
