/** All that one node is told. Flags, environment, `config.toml` and defaults end up here; nothing below reads them again. */
import { join, resolve } from "node:path";
import { findNearest, findStateDir, SwarmError } from "@swarmd/protocol";
import { parseWorkers } from "@swarmd/protocol/api";
import { parse as parseToml } from "smol-toml";
import { type Environment, expandPath, homeOf, parseHfEndpoint, readHfEnvironment } from "./origin/hf-environment.js";

/** Absolute paths, bytes and milliseconds. */
export interface NodeConfig {
  /** The Hugging Face cache: the folder that holds `models--org--name`. */
  readonly cacheDir: string;
  /** Journal, socket, logs, blobs of plain URLs. */
  readonly stateDir: string;
  /** The Hub, without a trailing slash. */
  readonly endpoint: string;
  /** A Hugging Face token, where there is one. Never logged. */
  readonly token: string | undefined;
  /** Most origin requests at a time, for the whole node. */
  readonly workers: number;
  /** HF_HUB_OFFLINE: never ask the origin. */
  readonly offline: boolean;
  readonly noPeer: boolean;
  readonly logFormat: "pretty" | "json";
  readonly logLevel: "error" | "warn" | "info" | "debug";
}

/** As typed; absent means not given. */
export interface ConfigFlags {
  readonly cacheDir?: string | undefined;
  readonly stateDir?: string | undefined;
  readonly origin?: string | undefined;
  readonly workers?: string | undefined;
  readonly noPeer?: boolean | undefined;
  readonly logFormat?: string | undefined;
  readonly logLevel?: string | undefined;
}

export interface ConfigSources {
  readonly flags: ConfigFlags;
  readonly env: Environment;
  /** The text of a file, or `undefined` when there is none. */
  readonly readFile: (path: string) => string | undefined;
}

/** One setting's raw value, what it is called where it was found, and the folder a relative path in it starts from. */
interface Found {
  readonly value: unknown;
  readonly name: string;
  readonly baseDir: string;
}

type SettingName = Exclude<keyof ConfigFlags, "stateDir">;

/** What each setting is called as a flag, in the environment and in `config.toml`. */
const SETTINGS: Readonly<Record<SettingName, { readonly flag: string; readonly env: string; readonly key: string }>> = {
  cacheDir: { flag: "--cache-dir", env: "SWARM_CACHE_DIR", key: "cache-dir" },
  origin: { flag: "--origin", env: "SWARM_ORIGIN", key: "origin" },
  workers: { flag: "--workers", env: "SWARM_WORKERS", key: "workers" },
  noPeer: { flag: "--no-peer", env: "SWARM_NO_PEER", key: "no-peer" },
  logFormat: { flag: "--log-format", env: "SWARM_LOG_FORMAT", key: "log-format" },
  logLevel: { flag: "--log-level", env: "SWARM_LOG_LEVEL", key: "log-level" },
};

const DEFAULT_WORKERS = 10;
const LOG_FORMATS = ["pretty", "json"] as const;
const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
const TRUE_WORDS = ["1", "true", "yes", "on"];
const FALSE_WORDS = ["0", "false", "no", "off"];

/**
 * Flags before environment (`SWARM_*`) before `config.toml` in the state folder before what Hugging Face's environment and our
 * defaults say.
 *
 * @throws SwarmError USAGE that names the flag, variable or key, with the nearest right spelling
 */
export function loadConfig({ flags, env, readFile }: ConfigSources): NodeConfig {
  const stateDir = resolve(flags.stateDir ?? findStateDir(env, homeOf(env)));
  const file = readConfigFile(join(stateDir, "config.toml"), readFile);
  const find = (setting: SettingName) => findSetting(setting, { flags, env, file, stateDir });
  const hf = readHfEnvironment(env);
  return {
    cacheDir: parseWith(find("cacheDir"), (found) => parsePath(found, env)) ?? hf.cacheDir,
    stateDir,
    endpoint: parseWith(find("origin"), (found) => parseHfEndpoint(parseText(found), found.name)) ?? hf.endpoint,
    token: hf.token,
    workers: parseWith(find("workers"), parseWorkerCount) ?? DEFAULT_WORKERS,
    offline: hf.offline,
    noPeer: parseWith(find("noPeer"), parseSwitch) ?? false,
    logFormat: parseWith(find("logFormat"), (found) => parseChoice(found, LOG_FORMATS)) ?? "pretty",
    logLevel: parseWith(find("logLevel"), (found) => parseChoice(found, LOG_LEVELS)) ?? "info",
  };
}

interface Layers {
  readonly flags: ConfigFlags;
  readonly env: Environment;
  readonly file: Readonly<Record<string, unknown>>;
  readonly stateDir: string;
}

/** An empty variable counts as unset. */
function findSetting(setting: SettingName, { flags, env, file, stateDir }: Layers): Found | undefined {
  const names = SETTINGS[setting];
  if (flags[setting] !== undefined) return { value: flags[setting], name: names.flag, baseDir: process.cwd() };
  if (env[names.env]) return { value: env[names.env], name: names.env, baseDir: process.cwd() };
  const value = file[names.key];
  return value === undefined ? undefined : { value, name: `${names.key} in config.toml`, baseDir: stateDir };
}

function readConfigFile(path: string, readFile: ConfigSources["readFile"]): Readonly<Record<string, unknown>> {
  const text = readFile(path);
  if (text === undefined) return {};
  let file: Readonly<Record<string, unknown>>;
  try {
    file = parseToml(text);
  } catch (cause) {
    throw new SwarmError("USAGE", `${path} is no valid TOML: ${(cause as Error).message.trim()}`, {
      cause,
      hint: 'A setting is written name = "value", one a line.',
    });
  }
  for (const key of Object.keys(file)) checkKey(key, path);
  return file;
}

function checkKey(key: string, path: string): void {
  const keys = Object.values(SETTINGS).map((setting) => setting.key);
  if (keys.includes(key)) return;
  if (key === "state-dir") {
    throw new SwarmError("USAGE", `state-dir can't be set in ${path}, which lies in the state folder`, {
      hint: "Set it with --state-dir or SWARM_HOME.",
    });
  }
  const nearest = findNearest(key, keys);
  throw new SwarmError("USAGE", `unknown setting ${JSON.stringify(key)} in ${path}`, {
    hint: nearest === undefined ? `Known settings: ${keys.join(", ")}.` : `Did you mean ${nearest}?`,
  });
}

function parseWith<Value>(found: Found | undefined, parse: (found: Found) => Value): Value | undefined {
  return found === undefined ? undefined : parse(found);
}

function parseText({ value, name }: Found): string {
  if (typeof value === "string" && value.trim() !== "") return value.trim();
  throw new SwarmError("USAGE", `${name} is no text: ${JSON.stringify(value)}`);
}

/** A leading `~` is expanded: no shell looks into `config.toml`. */
function parsePath(found: Found, env: Environment): string {
  const path = parseText(found);
  if (path.includes("\0")) throw new SwarmError("USAGE", `${found.name} is no path: ${JSON.stringify(path)}`);
  return resolve(found.baseDir, expandPath(env, path));
}

function parseWorkerCount({ value, name }: Found): number {
  const isDigits = typeof value === "string" && /^\d{1,9}$/.test(value.trim());
  return parseWorkers(isDigits ? Number(value) : value, name);
}

function parseSwitch({ value, name }: Found): boolean {
  if (typeof value === "boolean") return value;
  const word = String(value).trim().toLowerCase();
  if (TRUE_WORDS.includes(word)) return true;
  if (FALSE_WORDS.includes(word)) return false;
  throw new SwarmError("USAGE", `${name} is neither true nor false: ${JSON.stringify(value)}`, {
    hint: "Write true or false (1 or 0).",
  });
}

function parseChoice<Choice extends string>(found: Found, choices: readonly Choice[]): Choice {
  const text = parseText(found);
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  const nearest = findNearest(text, choices);
  throw new SwarmError("USAGE", `${found.name} is none of ${choices.join(", ")}: ${JSON.stringify(text)}`, {
    hint: nearest === undefined ? `Choose one of ${choices.join(", ")}.` : `Did you mean ${nearest}?`,
  });
}
