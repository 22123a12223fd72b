import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatRepo, parseBlobId, parseRepoName, parseRepoSpec, parseRevision } from "./ids.js";

describe("parseRepoSpec", () => {
  const cases = [
    { id: "a bare name is a model", text: "gpt2", type: "model", name: "gpt2", revision: undefined },
    { id: "org and name", text: "org/name", type: "model", name: "org/name", revision: undefined },
    { id: "a revision behind @", text: "org/name@v1.0", type: "model", name: "org/name", revision: "v1.0" },
    {
      id: "a revision with slashes",
      text: "org/name@refs/pr/1",
      type: "model",
      name: "org/name",
      revision: "refs/pr/1",
    },
    { id: "a dataset", text: "datasets/org/name", type: "dataset", name: "org/name", revision: undefined },
    { id: "an org called datasets", text: "datasets/name", type: "model", name: "datasets/name", revision: undefined },
  ];
  for (const { id, text, type, name, revision } of cases) {
    it(id, () => {
      const spec = parseRepoSpec(text);
      assert.deepEqual(
        { type: spec.repo.type, name: spec.repo.name, revision: spec.revision },
        { type, name, revision },
      );
      assert.equal(parseRepoSpec(formatRepo(spec.repo)).repo.type, type);
    });
  }
});

describe("names that must be refused", () => {
  for (const name of [
    "",
    "/",
    "a/",
    "/a",
    "a/b/c",
    "../x",
    "a/..",
    "a--b",
    "a..b",
    "a b",
    "a\0b",
    "x".repeat(97),
    "a.git",
    "-a",
    "a/b?",
  ]) {
    it(`repo ${JSON.stringify(name)}`, () => assert.throws(() => parseRepoName(name), { code: "USAGE" }));
  }
  for (const revision of ["", "..", "a/../b", "a//b", "/a", "a/", "a b", "a\nb", "x".repeat(256), "a.lock", "a:b"]) {
    it(`revision ${JSON.stringify(revision)}`, () => assert.throws(() => parseRevision(revision), { code: "USAGE" }));
  }
  for (const blob of [
    "",
    "sha256:",
    `sha256:${"A".repeat(64)}`,
    `md5:${"a".repeat(32)}`,
    `sha256:${"a".repeat(64)}/..`,
  ]) {
    it(`blob ${JSON.stringify(blob)}`, () => assert.throws(() => parseBlobId(blob), { code: "USAGE" }));
  }
});
