import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, describe, it } from "node:test";
import { type Environment, readHfEnvironment } from "./hf-environment.js";

const home = mkdtempSync(join(tmpdir(), "swarmd-hf-environment-"));
after(() => rmSync(home, { recursive: true }));

describe("cacheDir", () => {
  const cases: { id: string; env: Environment; cacheDir: string }[] = [
    { id: "is in ~/.cache by default", env: {}, cacheDir: join(home, ".cache/huggingface/hub") },
    { id: "follows XDG_CACHE_HOME", env: { XDG_CACHE_HOME: "/x" }, cacheDir: "/x/huggingface/hub" },
    { id: "prefers HF_HOME to XDG", env: { XDG_CACHE_HOME: "/x", HF_HOME: "/h" }, cacheDir: "/h/hub" },
    {
      id: "prefers HUGGINGFACE_HUB_CACHE to HF_HOME",
      env: { HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/old" },
      cacheDir: "/old",
    },
    {
      id: "prefers HF_HUB_CACHE to all",
      env: { HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "/new" },
      cacheDir: "/new",
    },
    { id: "takes an empty variable as unset", env: { HF_HUB_CACHE: "", HF_HOME: "/h" }, cacheDir: "/h/hub" },
    { id: "expands ~", env: { HF_HUB_CACHE: "~/models" }, cacheDir: join(home, "models") },
    {
      id: "expands variables, bare and in braces",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell variable, not a template.
      env: { HF_HUB_CACHE: "/$A/${B}/$NOPE", A: "a", B: "b" },
      cacheDir: "/a/b/$NOPE",
    },
    { id: "is absolute", env: { HF_HUB_CACHE: "models" }, cacheDir: resolve("models") },
  ];
  for (const { id, env, cacheDir } of cases) {
    it(id, () => assert.equal(readHfEnvironment({ HOME: home, ...env }).cacheDir, cacheDir));
  }
});

describe("endpoint", () => {
  const cases = [
    { id: "is huggingface.co by default", given: undefined, endpoint: "https://huggingface.co" },
    { id: "loses trailing slashes", given: "http://127.0.0.1:7480//", endpoint: "http://127.0.0.1:7480" },
    { id: "may have a path", given: "https://mirror.example/hf/", endpoint: "https://mirror.example/hf" },
  ];
  for (const { id, given, endpoint } of cases) {
    it(id, () => assert.equal(readHfEnvironment({ HOME: home, HF_ENDPOINT: given }).endpoint, endpoint));
  }
  for (const given of [
    "huggingface.co",
    "ftp://x",
    "https://me:secret@x",
    "https://x/?token=secret",
    "https://x/#secret",
  ]) {
    it(`refuses ${given}`, () =>
      assert.throws(
        () => readHfEnvironment({ HOME: home, HF_ENDPOINT: given }),
        (error: Error & { code: string }) => error.code === "USAGE" && !error.message.includes("secret"),
      ));
  }
});

describe("token", () => {
  const filed = join(home, "filed");
  mkdirSync(filed);
  writeFileSync(join(filed, "token"), "hf_file\n");
  writeFileSync(join(home, "elsewhere"), "\r\nhf_elsewhere \n");
  const cases: { id: string; env: Environment; token: string | undefined }[] = [
    { id: "is absent without variables and file", env: {}, token: undefined },
    {
      id: "comes from HF_TOKEN first",
      env: { HF_TOKEN: "hf_a", HUGGING_FACE_HUB_TOKEN: "hf_b", HF_HOME: filed },
      token: "hf_a",
    },
    { id: "then from HUGGING_FACE_HUB_TOKEN", env: { HUGGING_FACE_HUB_TOKEN: "hf_b", HF_HOME: filed }, token: "hf_b" },
    { id: "then from the file in HF_HOME", env: { HF_HOME: filed }, token: "hf_file" },
    { id: "a blank variable is unset", env: { HF_TOKEN: " \n", HF_HOME: filed }, token: "hf_file" },
    {
      id: "HF_TOKEN_PATH names another file",
      env: { HF_HOME: filed, HF_TOKEN_PATH: "~/elsewhere" },
      token: "hf_elsewhere",
    },
    { id: "a missing file is no token", env: { HF_HOME: filed, HF_TOKEN_PATH: "~/none" }, token: undefined },
    {
      id: "is not used unasked when the user says so",
      env: { HF_TOKEN: "hf_a", HF_HOME: filed, HF_HUB_DISABLE_IMPLICIT_TOKEN: "true" },
      token: undefined,
    },
  ];
  for (const { id, env, token } of cases) {
    it(id, () => assert.equal(readHfEnvironment({ HOME: home, ...env }).token, token));
  }

  it("is refused, unshown, when it could not be sent", () =>
    assert.throws(
      () => readHfEnvironment({ HOME: home, HF_TOKEN: "hf_sécret" }),
      (error: Error & { code: string }) =>
        error.code === "USAGE" && error.message.includes("HF_TOKEN") && !error.message.includes("cret"),
    ));

  it("a file that can't be read is an error", () => {
    const folder = join(home, "folder-not-file");
    mkdirSync(folder);
    assert.throws(() => readHfEnvironment({ HOME: home, HF_TOKEN_PATH: folder }), { code: "USAGE", message: /EISDIR/ });
  });
});

describe("offline", () => {
  for (const [env, offline] of [
    [{}, false],
    [{ HF_HUB_OFFLINE: "1" }, true],
    [{ HF_HUB_OFFLINE: "yes" }, true],
    [{ HF_HUB_OFFLINE: "0" }, false],
    [{ TRANSFORMERS_OFFLINE: "on" }, true],
  ] as const) {
    it(`${JSON.stringify(env)} means ${offline}`, () =>
      assert.equal(readHfEnvironment({ HOME: home, ...env }).offline, offline));
  }
});
