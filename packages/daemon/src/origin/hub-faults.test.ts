import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, parseRepoName } from "@swarmd/protocol";
import { explainHubRefusal } from "./hub-faults.js";

const repo = { type: "dataset", name: parseRepoName("org/name") } as const;
const base = { repo, revision: "main", endpoint: "https://hub.example", hasToken: false };

describe("explainHubRefusal", () => {
  const cases: {
    id: string;
    status: number;
    fields?: Record<string, string>;
    path?: string;
    hasToken?: boolean;
    code: ErrorCode;
    hint: RegExp;
  }[] = [
    {
      id: "RepoNotFound",
      status: 404,
      fields: { "x-error-code": "RepoNotFound" },
      hasToken: true,
      code: "REPO_NOT_FOUND",
      hint: /spelling/,
    },
    {
      id: "RevisionNotFound",
      status: 404,
      fields: { "x-error-code": "RevisionNotFound" },
      code: "REVISION_NOT_FOUND",
      hint: /branch/,
    },
    {
      id: "EntryNotFound",
      status: 404,
      fields: { "x-error-code": "EntryNotFound" },
      path: "a",
      code: "FILE_NOT_FOUND",
      hint: /again/,
    },
    {
      id: "GatedRepo, no token",
      status: 401,
      fields: { "x-error-code": "GatedRepo" },
      path: "a",
      code: "ACCESS_GATED",
      hint: /HF_TOKEN/,
    },
    {
      id: "GatedRepo with a token names the page",
      status: 403,
      fields: { "x-error-code": "GatedRepo" },
      path: "a",
      hasToken: true,
      code: "ACCESS_GATED",
      hint: /https:\/\/hub\.example\/datasets\/org\/name/,
    },
    { id: "a bare 401 without a token", status: 401, code: "REPO_NOT_FOUND", hint: /HF_TOKEN/ },
    {
      id: "a 401 that speaks of a password, without a token",
      status: 401,
      fields: { "x-error-message": "Invalid username or password." },
      code: "REPO_NOT_FOUND",
      hint: /HF_TOKEN/,
    },
    { id: "a bare 401 with a token", status: 401, hasToken: true, code: "ACCESS_DENIED", hint: /valid token/ },
    {
      id: "invalid credentials",
      status: 401,
      fields: { "x-error-message": "Invalid credentials in Authorization header" },
      hasToken: true,
      code: "ACCESS_DENIED",
      hint: /valid token/,
    },
    { id: "a bare 401 for a file that was listed", status: 401, path: "a", code: "ACCESS_DENIED", hint: /HF_TOKEN/ },
    { id: "a bare 403", status: 403, hasToken: true, code: "ACCESS_DENIED", hint: /fine-grained/ },
    {
      id: "a disabled repo",
      status: 403,
      fields: { "x-error-message": "Access to this resource is disabled." },
      code: "ACCESS_DENIED",
      hint: /reason/,
    },
    { id: "a bare 404", status: 404, code: "REPO_NOT_FOUND", hint: /spelling/ },
    { id: "a bare 404 for a file", status: 404, path: "a", code: "FILE_NOT_FOUND", hint: /again/ },
    { id: "anything else", status: 418, code: "ORIGIN_FAULT", hint: /HF_ENDPOINT/ },
  ];
  for (const { id, status, fields = {}, path, hasToken = false, code, hint } of cases) {
    it(`${id}: ${code}`, () => {
      const request = { ...base, hasToken, ...(path === undefined ? {} : { path }) };
      const error = explainHubRefusal({ status, fields }, request);
      assert.equal(error.code, code);
      assert.match(error.hint ?? "", hint);
      assert.match(error.message, /datasets\/org\/name|hub\.example/);
    });
  }
});
