/** What has to be in order for a node to work here. Each check says what it saw and, where it is wrong, what to do. */
import { randomBytes } from "node:crypto";
import {
  access,
  constants,
  link,
  mkdir,
  readFile,
  readlink,
  rm,
  stat,
  statfs,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatBytes, SwarmError, toSwarmError } from "@swarmd/protocol";
import { type ConfigFlags, loadConfig, type NodeConfig } from "./config.js";
import { readFileIfThere } from "./config-file.js";
import type { Environment } from "./origin/hf-environment.js";

export interface Diagnosis {
  readonly name: string;
  readonly state: "ok" | "warn" | "fail";
  /** What was seen. Never holds a token. */
  readonly detail: string;
  readonly hint?: string;
}

const OLDEST_NODE = [20, 20] as const;
const NETWORK_DEADLINE_MS = 5000;
/** Less than a small model. */
const LITTLE_SPACE_BYTES = 5e9;
/** TLS and signed URLs bear a few minutes. */
const MAX_CLOCK_SKEW_MS = 5 * 60_000;

/** Magic numbers of `statfs`, for the file systems people keep caches on (Linux). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  801189825: "zfs",
  16914836: "tmpfs",
  2035054128: "overlayfs",
  26985: "nfs",
  1702057286: "fuse",
  20859: "smb",
  4283649346: "cifs",
  19780: "vfat",
  538032816: "exfat",
};

/** Runs all checks; never throws for what a check finds. */
export async function diagnose(
  { flags, env }: { readonly flags: ConfigFlags; readonly env: Environment },
  { signal }: { readonly signal: AbortSignal },
): Promise<Diagnosis[]> {
  const node = checkNodeVersion(process.versions.node);
  const blake3 = await checkBlake3();
  let config: NodeConfig;
  try {
    config = loadConfig({ flags, env, readFile: readFileIfThere });
  } catch (error) {
    const { message, hint } = toSwarmError(error);
    return [
      node,
      blake3,
      { name: "configuration", state: "fail", detail: message, ...(hint === undefined ? {} : { hint }) },
    ];
  }
  const folders = [...(await checkCache(config.cacheDir)), await checkStateDir(config.stateDir)];
  return [node, blake3, ...folders, ...(await checkOrigin(config, signal))];
}

/** Exported for its test. */
export function checkNodeVersion(version: string): Diagnosis {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOk = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  if (isOk) return { name: "node", state: "ok", detail: version };
  return {
    name: "node",
    state: "fail",
    detail: `${version} is too old`,
    hint: `Install Node ${OLDEST_NODE.join(".")} or newer.`,
  };
}

async function checkBlake3(): Promise<Diagnosis> {
  const name = "blake3";
  try {
    const { blake3 } = await import("@napi-rs/blake-hash");
    blake3("");
    return { name, state: "ok", detail: "native" };
  } catch (error) {
    const hint = `Install the dependencies again on this machine (${process.platform} ${process.arch}).`;
    return { name, state: "fail", detail: `the native module does not load: ${(error as Error).message}`, hint };
  }
}

async function checkCache(cacheDir: string): Promise<Diagnosis[]> {
  const name = "cache";
  const existing = await findExisting(cacheDir);
  try {
    await access(existing, constants.W_OK);
  } catch {
    const hint = "Make it writable for this user, or choose another with HF_HUB_CACHE.";
    return [{ name, state: "fail", detail: `${cacheDir} can't be written`, hint }];
  }
  const isThere = existing === cacheDir ? "" : " (not there yet)";
  const place: Diagnosis = {
    name,
    state: "ok",
    detail: `${cacheDir}${isThere}, ${await describeFileSystem(existing)}`,
  };
  return [place, await checkSpace(existing), await checkLinks(existing), await checkAccessTimes(existing)];
}

async function checkSpace(dir: string): Promise<Diagnosis> {
  const { bavail, bsize } = await statfs(dir);
  const freeBytes = bavail * bsize;
  const detail = `${formatBytes(freeBytes)} free`;
  if (freeBytes >= LITTLE_SPACE_BYTES) return { name: "space", state: "ok", detail };
  return { name: "space", state: "warn", detail, hint: "That is less than most models; swarm rm makes room." };
}

async function checkLinks(dir: string): Promise<Diagnosis> {
  const name = "links";
  const probe = join(dir, `.swarmd-doctor-${randomBytes(6).toString("hex")}`);
  try {
    await mkdir(probe);
    await writeFile(join(probe, "file"), "");
    const missing = [
      ...((await works(() => makeSymlink(probe))) ? [] : ["symbolic links"]),
      ...((await works(() => link(join(probe, "file"), join(probe, "hard")))) ? [] : ["hard links"]),
    ];
    if (missing.length === 0) return { name, state: "ok", detail: "symbolic and hard links work" };
    const hint = "swarmd copies instead, which takes more space; a cache on another file system would not need it.";
    return { name, state: "warn", detail: `no ${missing.join(" and no ")} here`, hint };
  } catch (error) {
    return { name, state: "fail", detail: `no file can be made in ${dir}: ${(error as Error).message}` };
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}

/** Whether reading a file leaves a trace: it is how use by other tools is noticed when something has to go. */
async function checkAccessTimes(dir: string): Promise<Diagnosis> {
  const name = "access times";
  const probe = join(dir, `.swarmd-doctor-${randomBytes(6).toString("hex")}`);
  try {
    await writeFile(probe, "read me");
    // Longer ago than the day within which some mounts keep an old time.
    const longAgo = new Date(Date.now() - 3 * 86_400_000);
    await utimes(probe, longAgo, longAgo);
    await readFile(probe);
    const { atimeMs } = await stat(probe);
    if (atimeMs > longAgo.getTime() + 1_000) {
      return { name, state: "ok", detail: "kept, at least to the day: use by other tools is noticed" };
    }
    const hint =
      "What other tools read counts as unused when room is made: pin it (swarm pin), hold it (swarm hold), or mount with relatime.";
    return { name, state: "warn", detail: "not kept by this mount (noatime)", hint };
  } catch (error) {
    return { name, state: "fail", detail: `no file can be made in ${dir}: ${(error as Error).message}` };
  } finally {
    await rm(probe, { force: true });
  }
}

async function makeSymlink(probe: string): Promise<void> {
  await symlink("file", join(probe, "soft"));
  await readlink(join(probe, "soft"));
}

async function checkStateDir(stateDir: string): Promise<Diagnosis> {
  const name = "state";
  const existing = await findExisting(stateDir);
  if (!(await works(() => access(existing, constants.W_OK)))) {
    const hint = "Choose another with --state-dir DIR or SWARM_HOME.";
    return { name, state: "fail", detail: `${stateDir} can't be written`, hint };
  }
  return { name, state: "ok", detail: existing === stateDir ? stateDir : `${stateDir} (not there yet)` };
}

async function checkOrigin(config: NodeConfig, signal: AbortSignal): Promise<Diagnosis[]> {
  const { endpoint, token, offline } = config;
  if (offline) {
    return [
      {
        name: "origin",
        state: "warn",
        detail: "not asked: HF_HUB_OFFLINE is set",
        hint: "Unset it to fetch anything new.",
      },
      { name: "token", state: "ok", detail: token === undefined ? "none" : "present, not tried" },
    ];
  }
  let response: Response;
  try {
    response = await ask(endpoint, { method: "HEAD", signal });
  } catch (error) {
    const hint =
      "Is this machine online? HF_ENDPOINT or --origin names the Hub; what is in the cache works without it.";
    return [
      { name: "origin", state: "fail", detail: `${endpoint} can't be reached: ${describeNetworkError(error)}`, hint },
      { name: "token", state: "ok", detail: token === undefined ? "none" : "present, not tried" },
    ];
  }
  const origin: Diagnosis = { name: "origin", state: "ok", detail: `${endpoint} answers` };
  return [origin, ...checkClock(response.headers.get("date"), Date.now()), await checkToken(config, signal)];
}

async function checkToken({ endpoint, token }: NodeConfig, signal: AbortSignal): Promise<Diagnosis> {
  const name = "token";
  if (token === undefined) {
    return { name, state: "ok", detail: "none: public repos only (HF_TOKEN or hf auth login gives access to more)" };
  }
  try {
    const headers = { authorization: `Bearer ${token}` };
    const response = await ask(`${endpoint}/api/whoami-v2`, { method: "GET", signal, headers });
    if (response.ok) {
      const { name: user } = (await response.json()) as { readonly name?: unknown };
      return {
        name,
        state: "ok",
        detail: typeof user === "string" ? `present, belongs to ${user}` : "present, accepted",
      };
    }
    if (response.status === 401 || response.status === 403) {
      const hint = "Make a new one in the settings of your Hugging Face account, then hf auth login or HF_TOKEN.";
      return { name, state: "fail", detail: "present, but the Hub does not accept it", hint };
    }
    return { name, state: "warn", detail: `present; the Hub did not say whose it is (status ${response.status})` };
  } catch (error) {
    return { name, state: "warn", detail: `present; it could not be tried: ${describeNetworkError(error)}` };
  }
}

/** Exported for its test. `date` is the Hub's header; without one there is nothing to say. */
export function checkClock(date: string | null, nowMs: number): Diagnosis[] {
  const theirsMs = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(theirsMs)) return [];
  const skewMs = nowMs - theirsMs;
  if (Math.abs(skewMs) <= MAX_CLOCK_SKEW_MS) return [{ name: "clock", state: "ok", detail: "agrees with the Hub's" }];
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  const detail = `${minutes} min ${skewMs > 0 ? "ahead of" : "behind"} the Hub's`;
  return [{ name: "clock", state: "fail", detail, hint: "Set it (NTP): certificates and signed URLs depend on it." }];
}

/** A redirect is an answer; a token follows none. */
function ask(
  url: string,
  options: { readonly method: string; readonly signal: AbortSignal; readonly headers?: Record<string, string> },
) {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(NETWORK_DEADLINE_MS)]);
  return fetch(url, { ...options, signal, redirect: "manual" });
}

function describeNetworkError(error: unknown): string {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return `no answer within ${NETWORK_DEADLINE_MS / 1000} s`;
  return cause instanceof Error && cause.message !== "" ? cause.message : message;
}

async function describeFileSystem(dir: string): Promise<string> {
  const { type } = await statfs(dir);
  // The number is signed on some machines.
  return FILE_SYSTEMS[type >>> 0] ?? "unknown file system";
}

/** The folder, or the nearest one above it that is there. */
async function findExisting(dir: string): Promise<string> {
  if (await works(() => stat(dir))) return dir;
  const parent = dirname(dir);
  if (parent === dir) throw new SwarmError("STORE_FAULT", `${dir} is not there`);
  return await findExisting(parent);
}

async function works(attempt: () => Promise<unknown>): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch {
    return false;
  }
}
