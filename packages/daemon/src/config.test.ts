import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import type { SwarmError } from "@swarmd/protocol";
import { type ConfigFlags, loadConfig, type NodeConfig } from "./config.js";

const HOME = "/nowhere/home";
const STATE = "/nowhere/state";

interface Given {
  readonly flags?: ConfigFlags;
  readonly env?: Readonly<Record<string, string>>;
  readonly toml?: string;
}

function load({ flags = {}, env = {}, toml }: Given): NodeConfig {
  return loadConfig({
    flags,
    env: { HOME, SWARM_HOME: STATE, ...env },
    readFile: (path) => (path === `${STATE}/config.toml` ? toml : undefined),
  });
}

describe("loadConfig", () => {
  it("has a default for everything", () => {
    assert.deepEqual(load({}), {
      cacheDir: `${HOME}/.cache/huggingface/hub`,
      stateDir: STATE,
      endpoint: "https://huggingface.co",
      token: undefined,
      workers: 10,
      offline: false,
      noPeer: false,
      p2pPort: 7482,
      lanePort: 7481,
      peers: [],
      mdns: true,
      gateway: { host: "127.0.0.1", port: 7480, token: undefined },
      publishers: [],
      links: new Map(),
      encrypt: "auto",
      maxUploadBytesPerS: undefined,
      maxDownloadBytesPerS: undefined,
      maxOriginBytesPerS: undefined,
      spotCheck: 64,
      cache: { policy: "lru", bounds: {}, adoptEvict: false, keepStartup: false },
      refuseCopies: false,
      scrubBytesPerS: 10_000_000,
      background: { budgetBytes: undefined, hours: undefined, lists: [], isPassing: false },
      logFormat: "pretty",
      logLevel: "info",
    } satisfies NodeConfig);
  });

  const layers: readonly { id: string; given: Given; want: Partial<NodeConfig> }[] = [
    { id: "config.toml before defaults", given: { toml: "workers = 3" }, want: { workers: 3 } },
    {
      id: "environment before config.toml",
      given: { toml: "workers = 3", env: { SWARM_WORKERS: "4" } },
      want: { workers: 4 },
    },
    {
      id: "flags before environment",
      given: { flags: { workers: "5" }, env: { SWARM_WORKERS: "4" } },
      want: { workers: 5 },
    },
    {
      id: "an empty variable is none",
      given: { toml: "workers = 3", env: { SWARM_WORKERS: "" } },
      want: { workers: 3 },
    },
    {
      id: "Hugging Face's environment",
      given: { env: { HF_ENDPOINT: "http://hub/", HF_TOKEN: "hf_x", HF_HUB_OFFLINE: "1" } },
      want: { endpoint: "http://hub", token: "hf_x", offline: true },
    },
    {
      id: "our own words before Hugging Face's",
      given: { env: { HF_HUB_CACHE: "/hf", SWARM_CACHE_DIR: "/ours" } },
      want: { cacheDir: "/ours" },
    },
    { id: "a relative flag starts here", given: { flags: { cacheDir: "hub" } }, want: { cacheDir: resolve("hub") } },
    {
      id: "a relative path in config.toml starts there",
      given: { toml: 'cache-dir = "hub"' },
      want: { cacheDir: `${STATE}/hub` },
    },
    { id: "a tilde in config.toml", given: { toml: 'cache-dir = "~/hub"' }, want: { cacheDir: `${HOME}/hub` } },
    {
      id: "every key of config.toml",
      given: { toml: 'origin = "http://h"\nno-peer = true\nlog-format = "json"\nlog-level = "debug"' },
      want: { endpoint: "http://h", noPeer: true, logFormat: "json", logLevel: "debug" },
    },
    {
      id: "a switch in the environment",
      given: { env: { SWARM_NO_PEER: "off" }, toml: "no-peer = true" },
      want: { noPeer: false },
    },
  ];
  for (const { id, given, want } of layers) {
    it(id, () => {
      const config = load(given);
      assert.deepEqual({ ...config, ...want }, config);
    });
  }

  const bad: readonly { id: string; given: Given; says: RegExp; hint?: RegExp }[] = [
    {
      id: "a mistyped key",
      given: { toml: "wrokers = 3" },
      says: /"wrokers" in .*config\.toml/,
      hint: /mean workers\?/,
    },
    { id: "an unknown key", given: { toml: "banana = 3" }, says: /"banana"/, hint: /Known settings: cache-dir/ },
    {
      id: "the state folder in its own file",
      given: { toml: 'state-dir = "/x"' },
      says: /state-dir can't be set/,
      hint: /SWARM_HOME/,
    },
    { id: "broken TOML", given: { toml: "workers =" }, says: /no valid TOML/ },
    { id: "workers of the wrong type", given: { toml: "workers = [1]" }, says: /workers in config\.toml/ },
    { id: "too many workers", given: { flags: { workers: "65" } }, says: /^--workers .*1 to 64/ },
    { id: "workers that are no number", given: { env: { SWARM_WORKERS: "many" } }, says: /^SWARM_WORKERS/ },
    {
      id: "a mistyped choice",
      given: { flags: { logFormat: "jsno" } },
      says: /^--log-format is none of pretty, json/,
      hint: /mean json\?/,
    },
    { id: "a choice that is a number", given: { toml: "log-level = 3" }, says: /log-level in config\.toml is no text/ },
    { id: "an origin that is no URL", given: { flags: { origin: "hub" } }, says: /--origin/ },
    { id: "a switch that is neither", given: { env: { SWARM_NO_PEER: "maybe" } }, says: /SWARM_NO_PEER/ },
    { id: "an empty folder", given: { flags: { cacheDir: " " } }, says: /--cache-dir/ },
  ];
  for (const { id, given, says, hint = /^/ } of bad) {
    it(`refuses ${id}`, () => {
      assert.throws(
        () => load(given),
        (error: SwarmError) => {
          assert.equal(error.code, "USAGE");
          assert.match(error.message, says);
          assert.match(error.hint ?? "", hint);
          return true;
        },
      );
    });
  }
});
