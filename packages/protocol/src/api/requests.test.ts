import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SwarmError } from "../errors.js";
import {
  parseAddRequest,
  parseLocateRequest,
  parseManifestRequest,
  parsePullRequest,
  parseRegisterRequest,
  parseRemoveRequest,
  parseVerifyRequest,
} from "./requests.js";

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

describe("requests about models by name", () => {
  const isUsage = { code: "USAGE" };
  const refused = (parse: (body: unknown) => unknown, ...bodies: readonly unknown[]) => {
    for (const body of bodies) assert.throws(() => parse(body), isUsage, JSON.stringify(body));
  };

  it("add takes an absolute path and a name that is no commit", () => {
    assert.deepEqual(parseAddRequest({ path: "/m", as: "me/x@v1" }), { path: "/m", as: "me/x@v1" });
    const path = "/m";
    refused(parseAddRequest, { path: "m", as: "me/x" }, { path: "/a\0b", as: "me/x" }, { as: "me/x" }, { path });
    refused(parseAddRequest, { path, as: "../x" }, { path, as: "me/x/y" }, { path, as: "me/x@../y" }, { path, as: "" });
    refused(
      parseAddRequest,
      { path, as: `me/x@${"a".repeat(40)}` },
      { path, as: "me/x", from: "b" },
      { path: 7, as: "me/x" },
    );
  });

  it("pull takes the id of a node, for repos only", () => {
    const from = "12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1";
    assert.deepEqual(parsePullRequest({ target: "me/x", from }), { target: "me/x", from });
    refused(
      parsePullRequest,
      { target: "me/x", from: "a b" },
      { target: "me/x", from: "../x" },
      { target: "https://h/x", from },
    );
  });

  it("manifest and locate take a repo", () => {
    assert.deepEqual(parseManifestRequest({ target: "a/b@v1", offline: true }), { target: "a/b@v1", offline: true });
    assert.deepEqual(parseLocateRequest({ target: "a/b" }), { target: "a/b" });
    refused(parseManifestRequest, {}, { target: "https://h/x" }, { target: "a//b" });
    refused(parseLocateRequest, {}, { target: "a//b" }, undefined, []);
  });

  it("register takes a name of a node, and a model that names files", () => {
    const commit = "a".repeat(40);
    for (const model of ["a/b", `a/b@${commit}`, "datasets/a/b"]) {
      assert.deepEqual(parseRegisterRequest({ node: "nas-1.local:80", model }), { node: "nas-1.local:80", model });
    }
    refused(
      parseRegisterRequest,
      { node: "", model: "a/b" },
      { node: "-x", model: "a/b" },
      { node: "a/b", model: "a/b" },
    );
    refused(
      parseRegisterRequest,
      { node: "x".repeat(129), model: "a/b" },
      { node: "x", model: "a/b@main" },
      { node: "x" },
    );
  });
});
