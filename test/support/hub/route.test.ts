import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseRoute, type Route } from "./route.js";

const model = (name: string) => ({ type: "model" as const, name });
const commit = "0123456789abcdef0123456789abcdef01234567";

const CASES: readonly { id: string; path: string; route: Route }[] = [
  {
    id: "info of a repo with an owner",
    path: "/api/models/a/b",
    route: { kind: "info", repo: model("a/b"), rest: [] },
  },
  { id: "info of a canonical repo", path: "/api/models/gpt2", route: { kind: "info", repo: model("gpt2"), rest: [] } },
  {
    id: "an encoded revision is one segment",
    path: "/api/models/a/b/revision/refs%2Fpr%2F1",
    route: { kind: "info", repo: model("a/b"), rest: ["refs/pr/1"] },
  },
  {
    id: "tree of a folder of a canonical repo",
    path: "/api/datasets/squad/tree/main/data/x",
    route: { kind: "tree", repo: { type: "dataset", name: "squad" }, rest: ["main", "data", "x"] },
  },
  {
    id: "resolve of a model has no prefix",
    path: "/a/b/resolve/main/x/y%20z.json",
    route: { kind: "resolve", repo: model("a/b"), rest: ["main", "x", "y z.json"] },
  },
  {
    id: "resolve of a dataset",
    path: "/datasets/a/b/resolve/main/x",
    route: { kind: "resolve", repo: { type: "dataset", name: "a/b" }, rest: ["main", "x"] },
  },
  {
    id: "resolve of a canonical repo",
    path: "/gpt2/resolve/main/x",
    route: { kind: "resolve", repo: model("gpt2"), rest: ["main", "x"] },
  },
  {
    id: "resolve-cache has no verb after the repo",
    path: `/api/resolve-cache/models/a/b/${commit}/x/y`,
    route: { kind: "resolveCache", repo: model("a/b"), rest: [commit, "x", "y"] },
  },
  { id: "a plain file", path: "/files/a/b.gguf", route: { kind: "file", rest: ["a", "b.gguf"] } },
  { id: "whoami", path: "/api/whoami-v2", route: { kind: "whoami", rest: [] } },
  { id: "what can't be decoded is other", path: "/a/b/resolve/main/%zz", route: { kind: "other", rest: [] } },
  { id: "anything else is other", path: "/docs", route: { kind: "other", rest: ["docs"] } },
];

describe("parseRoute", () => {
  for (const { id, path, route } of CASES) it(id, () => assert.deepEqual(parseRoute(path), route));
});
