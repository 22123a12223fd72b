import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCommitId, parseRepoName, parseRevision } from "@swarmd/protocol";
import { repoInfoUrl, resolveUrl, treeUrl } from "./hub-urls.js";

const ENDPOINT = "https://hub.example/hf";
const COMMIT = parseCommitId("a".repeat(40));
const MODEL = { type: "model", name: parseRepoName("org/name") } as const;
const DATASET = { type: "dataset", name: parseRepoName("squad") } as const;

it("a revision is quoted without exception", () =>
  assert.equal(
    repoInfoUrl(ENDPOINT, MODEL, parseRevision("refs/pr/1")).href,
    `${ENDPOINT}/api/models/org/name/revision/refs%2Fpr%2F1`,
  ));

it("the type stands in the path of the API, in the plural", () =>
  assert.equal(
    treeUrl(ENDPOINT, DATASET, COMMIT).href,
    `${ENDPOINT}/api/datasets/squad/tree/${COMMIT}?recursive=true&expand=false`,
  ));

describe("resolveUrl", () => {
  for (const [path, quoted] of [
    ["a/b.txt", "a/b.txt"],
    ["a b/ü#?.txt", "a%20b/%C3%BC%23%3F.txt"],
    ["it's (1)!*.txt", "it%27s%20%281%29%21%2A.txt"],
    ["%2e%2e/x", "%252e%252e/x"],
    ["a\\b", "a%5Cb"],
  ] as const) {
    it(path, () =>
      assert.equal(
        resolveUrl(ENDPOINT, DATASET, COMMIT, path).href,
        `${ENDPOINT}/datasets/squad/resolve/${COMMIT}/${quoted}`,
      ),
    );
  }
  for (const path of ["../x", "a/../../x", "a//b", "/a", "a/.", "\ud800"]) {
    it(`refuses ${JSON.stringify(path)}`, () =>
      assert.throws(() => resolveUrl(ENDPOINT, MODEL, COMMIT, path), { code: "UNSAFE_FILE_NAME" }));
  }
});
