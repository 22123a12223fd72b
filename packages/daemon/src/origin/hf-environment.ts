/**
 * What the environment says about Hugging Face, read the way huggingface_hub reads it, so that swarmd and every other tool on the
 * machine agree on cache, endpoint and token. An empty variable counts as unset.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { SwarmError } from "@swarmd/protocol";

/** Where a token may be, the first wins. */
const TOKEN_NAMES = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];

/** `process.env`, or a stand-in. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface HfEnvironment {
  /** The Hub, without a trailing slash. */
  readonly endpoint: string;
  /** Never log it. */
  readonly token: string | undefined;
  /** Absolute path of the folder that holds `models--org--name`. */
  readonly cacheDir: string;
  /** HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. */
  readonly offline: boolean;
}

export const DEFAULT_HF_ENDPOINT = "https://huggingface.co";

const TRUE_VALUES = new Set(["1", "ON", "YES", "TRUE"]);
/** What may stand in an HTTP header; a real token is far plainer. */
const TOKEN = /^[\x21-\x7e]{1,4096}$/;

/**
 * Endpoint, token, cache and offline switch.
 *
 * @throws SwarmError USAGE when a variable, or the token file, can't be used as it is; the message names it and never shows a token.
 */
export function readHfEnvironment(env: Environment): HfEnvironment {
  return {
    endpoint: readHfEndpoint(env),
    token: readHfToken(env),
    cacheDir: readHfCacheDir(env),
    offline: isTrue(env, "HF_HUB_OFFLINE") || isTrue(env, "TRANSFORMERS_OFFLINE"),
  };
}

/** HF_ENDPOINT, else huggingface.co. @throws SwarmError USAGE when it is no plain HTTP(S) address. */
export function readHfEndpoint(env: Environment): string {
  return parseHfEndpoint(env.HF_ENDPOINT || DEFAULT_HF_ENDPOINT, "HF_ENDPOINT");
}

/**
 * Checks the address of a Hub and strips its trailing slashes. `name` is the flag or variable it came from, for the message.
 *
 * @throws SwarmError USAGE
 */
export function parseHfEndpoint(text: string, name: string): string {
  const endpoint = text.trim().replace(/\/+$/, "");
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isPlain = url?.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (!isPlain || !/^https?:$/.test(url.protocol)) {
    throw new SwarmError("USAGE", `${name} is not the address of a Hub`, {
      hint: `Give an http or https URL without credentials, query or fragment, for example ${DEFAULT_HF_ENDPOINT}.`,
    });
  }
  return endpoint;
}

/**
 * HF_TOKEN, HUGGING_FACE_HUB_TOKEN, then the token file; nothing if HF_HUB_DISABLE_IMPLICIT_TOKEN is set, which is how a user
 * says that a token is not to be sent unasked.
 *
 * @throws SwarmError USAGE when there is a token that could not be sent, or a token file that can't be read.
 */
export function readHfToken(env: Environment): string | undefined {
  if (isTrue(env, "HF_HUB_DISABLE_IMPLICIT_TOKEN")) return undefined;
  for (const name of TOKEN_NAMES) {
    const token = cleanToken(env[name] ?? "", name);
    if (token !== undefined) return token;
  }
  const path = readPath(env, "HF_TOKEN_PATH") ?? join(readHfHome(env), "token");
  return cleanToken(readTokenFile(path), path);
}

/** Once the token is read, the environment need not hold it: diagnostic reports and child processes get a copy of that. */
export function dropHfToken(env: Record<string, string | undefined>): void {
  for (const name of TOKEN_NAMES) delete env[name];
}

/** HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, else `hub` in the Hugging Face home. Absolute. */
export function readHfCacheDir(env: Environment): string {
  return readPath(env, "HF_HUB_CACHE") ?? readPath(env, "HUGGINGFACE_HUB_CACHE") ?? join(readHfHome(env), "hub");
}

/** HF_HOME, else `huggingface` in XDG_CACHE_HOME, else `~/.cache/huggingface`. Absolute. */
export function readHfHome(env: Environment): string {
  const caches = readPath(env, "XDG_CACHE_HOME") ?? join(homeOf(env), ".cache");
  return readPath(env, "HF_HOME") ?? join(caches, "huggingface");
}

function readPath(env: Environment, name: string): string | undefined {
  const text = env[name];
  return text === undefined || text === "" ? undefined : resolve(expandPath(env, text));
}

/** `~`, `$NAME` and `${NAME}`, as a shell would have done it; an unknown name stays as it is. */
export function expandPath(env: Environment, text: string): string {
  const fromHome = text.replace(/^~(?=$|[/\\])/, () => homeOf(env));
  return fromHome.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (whole, bare, braced) => env[bare ?? braced] ?? whole);
}

/** The user's home folder. */
export function homeOf(env: Environment): string {
  return env.HOME || env.USERPROFILE || homedir();
}

function readTokenFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return "";
    throw new SwarmError("USAGE", `the Hugging Face token file ${path} can't be read (${code})`, {
      cause,
      hint: "Make it readable for this user, or set HF_TOKEN, or point HF_TOKEN_PATH elsewhere.",
    });
  }
}

function cleanToken(text: string, from: string): string | undefined {
  const token = text.replace(/[\r\n]/g, "").trim();
  if (token === "") return undefined;
  if (!TOKEN.test(token)) {
    throw new SwarmError("USAGE", `the Hugging Face token in ${from} has characters that no token has`, {
      hint: "Copy it again from the settings of your Hugging Face account; it starts with hf_.",
    });
  }
  return token;
}

function isTrue(env: Environment, name: string): boolean {
  return TRUE_VALUES.has((env[name] ?? "").toUpperCase());
}
