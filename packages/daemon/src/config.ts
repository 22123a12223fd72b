/** All that one node is told. Flags, environment, `config.toml` and defaults end up here; nothing below reads them again. */
import { join, resolve } from "node:path";
import {
  type DayHours,
  findNearest,
  findStateDir,
  parseBytes,
  parseDayHours,
  parseDuration,
  parseNodeId,
  parseRate,
  SwarmError,
} from "@swarmd/protocol";
import { parseWorkers } from "@swarmd/protocol/api";
import { LINK_CLASSES, type LinkClass } from "@swarmd/protocol/wire";
import { parse as parseToml } from "smol-toml";
import { POLICIES, POLICY_NAMES } from "./core/policy/eviction/policies.js";
import type { KeeperOptions } from "./keeper/ports.js";
import {
  DEFAULT_HF_ENDPOINT,
  type Environment,
  expandPath,
  homeOf,
  parseHfEndpoint,
  readHfEnvironment,
} from "./origin/hf-environment.js";

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
  /** The origin only; and this node serves nobody. */
  readonly noPeer: boolean;
  /** libp2p: discovery, gossip, control. 0 picks a free port. */
  readonly p2pPort: number;
  /** The direct lane: bytes. 0 picks a free port. */
  readonly lanePort: number;
  /** Addresses that are dialled as long as the node runs, for networks without multicast. */
  readonly peers: readonly string[];
  readonly mdns: boolean;
  /** The Hub's face for other programs; `undefined`: none. */
  readonly gateway: GatewayAddress | undefined;
  /** Ids of nodes whose repos are taken without being named, though no origin has them. */
  readonly publishers: readonly string[];
  /** Classes of interfaces that the node would judge otherwise. */
  readonly links: ReadonlyMap<string, LinkClass>;
  /** `auto`: private blobs go over TLS; `always`: everything does. */
  readonly encrypt: "auto" | "always";
  /** Bytes per second; `undefined` means no limit. */
  readonly maxUploadBytesPerS: number | undefined;
  readonly maxDownloadBytesPerS: number | undefined;
  readonly maxOriginBytesPerS: number | undefined;
  /** One of so many shards that came from peers is compared with the origin; `undefined`: none. */
  readonly spotCheck: number | undefined;
  /** How far the cache may grow, and what goes then. */
  readonly cache: KeeperOptions;
  /** No copies are taken that other nodes want kept. */
  readonly refuseCopies: boolean;
  /** How fast the cache is read to see whether it is still right; `undefined`: never. */
  readonly scrubBytesPerS: number | undefined;
  readonly background: BackgroundConfig;
  readonly logFormat: "pretty" | "json";
  readonly logLevel: "error" | "warn" | "info" | "debug";
}

/** Pulls that nobody waits for. */
export interface BackgroundConfig {
  /** Of a day, from the origin; `undefined`: no end to it. */
  readonly budgetBytes: number | undefined;
  /** When they run that name no hours; `undefined`: at any hour. */
  readonly hours: DayHours | undefined;
  /** Absolute paths of lists of repos. */
  readonly lists: readonly string[];
  /** A command has this node for a while: what was ordered of the daemon stays as it is. */
  readonly isPassing: boolean;
}

/** Where the gateway listens. */
export interface GatewayAddress {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** What callers from other machines have to name; always there where the host is not loopback. */
  readonly token: string | undefined;
  /** Larger files are offered in the form of Xet, which Python's client insists on. Default 50 GB; tests have no such files. */
  readonly xetFromBytes?: number;
}

/** As typed; absent means not given. */
export interface ConfigFlags {
  readonly cacheDir?: string | undefined;
  readonly stateDir?: string | undefined;
  readonly origin?: string | undefined;
  readonly workers?: string | undefined;
  readonly noPeer?: boolean | undefined;
  readonly p2pPort?: string | undefined;
  readonly lanePort?: string | undefined;
  readonly peers?: readonly string[] | undefined;
  readonly noMdns?: boolean | undefined;
  readonly gatewayPort?: string | undefined;
  readonly gatewayHost?: string | undefined;
  readonly gatewayToken?: string | undefined;
  readonly noGateway?: boolean | undefined;
  readonly publishers?: readonly string[] | undefined;
  readonly links?: readonly string[] | undefined;
  readonly encrypt?: string | undefined;
  readonly maxUpload?: string | undefined;
  readonly maxDownload?: string | undefined;
  readonly maxOrigin?: string | undefined;
  readonly spotCheck?: string | undefined;
  readonly cachePolicy?: string | undefined;
  readonly cacheMaxSize?: string | undefined;
  readonly cacheMaxModels?: string | undefined;
  readonly cacheTtl?: string | undefined;
  readonly minFree?: string | undefined;
  readonly reservePinned?: string | undefined;
  readonly keepStartup?: boolean | undefined;
  readonly adoptEvict?: boolean | undefined;
  readonly refuseCopies?: boolean | undefined;
  readonly scrubRate?: string | undefined;
  readonly prefetch?: readonly string[] | undefined;
  readonly between?: string | undefined;
  readonly originBudget?: string | undefined;
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
  p2pPort: { flag: "--p2p-port", env: "SWARM_P2P_PORT", key: "p2p-port" },
  lanePort: { flag: "--lane-port", env: "SWARM_LANE_PORT", key: "lane-port" },
  peers: { flag: "--peer", env: "SWARM_PEERS", key: "peers" },
  noMdns: { flag: "--no-mdns", env: "SWARM_NO_MDNS", key: "no-mdns" },
  gatewayPort: { flag: "--gateway-port", env: "SWARM_GATEWAY_PORT", key: "gateway-port" },
  gatewayHost: { flag: "--gateway-host", env: "SWARM_GATEWAY_HOST", key: "gateway-host" },
  gatewayToken: { flag: "--gateway-token", env: "SWARM_GATEWAY_TOKEN", key: "gateway-token" },
  noGateway: { flag: "--no-gateway", env: "SWARM_NO_GATEWAY", key: "no-gateway" },
  publishers: { flag: "--publisher", env: "SWARM_PUBLISHERS", key: "publishers" },
  links: { flag: "--link", env: "SWARM_LINKS", key: "links" },
  encrypt: { flag: "--encrypt", env: "SWARM_ENCRYPT", key: "encrypt" },
  maxUpload: { flag: "--max-upload", env: "SWARM_MAX_UPLOAD", key: "max-upload" },
  maxDownload: { flag: "--max-download", env: "SWARM_MAX_DOWNLOAD", key: "max-download" },
  maxOrigin: { flag: "--max-origin", env: "SWARM_MAX_ORIGIN", key: "max-origin" },
  spotCheck: { flag: "--spot-check", env: "SWARM_SPOT_CHECK", key: "spot-check" },
  cachePolicy: { flag: "--cache-policy", env: "SWARM_CACHE_POLICY", key: "cache-policy" },
  cacheMaxSize: { flag: "--cache-max-size", env: "SWARM_CACHE_MAX_SIZE", key: "cache-max-size" },
  cacheMaxModels: { flag: "--cache-max-models", env: "SWARM_CACHE_MAX_MODELS", key: "cache-max-models" },
  cacheTtl: { flag: "--cache-ttl", env: "SWARM_CACHE_TTL", key: "cache-ttl" },
  minFree: { flag: "--min-free", env: "SWARM_MIN_FREE", key: "min-free" },
  reservePinned: { flag: "--reserve-pinned", env: "SWARM_RESERVE_PINNED", key: "reserve-pinned" },
  keepStartup: { flag: "--keep-startup", env: "SWARM_KEEP_STARTUP", key: "keep-startup" },
  adoptEvict: { flag: "--adopt-evict", env: "SWARM_ADOPT_EVICT", key: "adopt-evict" },
  refuseCopies: { flag: "--refuse-copies", env: "SWARM_REFUSE_COPIES", key: "refuse-copies" },
  scrubRate: { flag: "--scrub-rate", env: "SWARM_SCRUB_RATE", key: "scrub-rate" },
  prefetch: { flag: "--prefetch", env: "SWARM_PREFETCH", key: "prefetch" },
  between: { flag: "--between", env: "SWARM_BETWEEN", key: "between" },
  originBudget: { flag: "--origin-budget", env: "SWARM_ORIGIN_BUDGET", key: "origin-budget" },
  logFormat: { flag: "--log-format", env: "SWARM_LOG_FORMAT", key: "log-format" },
  logLevel: { flag: "--log-level", env: "SWARM_LOG_LEVEL", key: "log-level" },
};

const DEFAULT_WORKERS = 10;
const DEFAULT_GATEWAY_PORT = 7480;
const DEFAULT_GATEWAY_HOST = "127.0.0.1";
const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;
/** A terabyte in about a day, and nothing that anybody notices. */
const DEFAULT_SCRUB_BYTES_PER_S = 10_000_000;
const DEFAULT_LANE_PORT = 7481;
const DEFAULT_P2P_PORT = 7482;
/** A gigabyte of shards: one piece of 256 KiB of it is next to nothing. */
const DEFAULT_SPOT_CHECK = 64;
const ENCRYPT = ["auto", "always"] as const;
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
  const gateway = parseGateway(find);
  return {
    cacheDir: parseWith(find("cacheDir"), (found) => parsePath(found, env)) ?? hf.cacheDir,
    stateDir,
    endpoint:
      parseWith(find("origin"), (found) => parseHfEndpoint(parseText(found), found.name)) ??
      realHub(hf.endpoint, gateway),
    token: hf.token,
    workers: parseWith(find("workers"), parseWorkerCount) ?? DEFAULT_WORKERS,
    offline: hf.offline,
    noPeer: parseWith(find("noPeer"), parseSwitch) ?? false,
    p2pPort: parseWith(find("p2pPort"), parsePort) ?? DEFAULT_P2P_PORT,
    lanePort: parseWith(find("lanePort"), parsePort) ?? DEFAULT_LANE_PORT,
    peers: parseWith(find("peers"), parseList) ?? [],
    mdns: !(parseWith(find("noMdns"), parseSwitch) ?? false),
    gateway,
    publishers: parseWith(find("publishers"), parseNodes) ?? [],
    links: parseWith(find("links"), parseLinks) ?? new Map(),
    encrypt: parseWith(find("encrypt"), (found) => parseChoice(found, ENCRYPT)) ?? "auto",
    maxUploadBytesPerS: parseWith(find("maxUpload"), parseLimit),
    maxDownloadBytesPerS: parseWith(find("maxDownload"), parseLimit),
    maxOriginBytesPerS: parseWith(find("maxOrigin"), parseLimit),
    spotCheck: hf.offline ? undefined : parseSpotCheck(find("spotCheck")),
    cache: parseCache(find),
    scrubBytesPerS:
      find("scrubRate") === undefined ? DEFAULT_SCRUB_BYTES_PER_S : parseWith(find("scrubRate"), parseLimit),
    refuseCopies: parseWith(find("refuseCopies"), parseSwitch) ?? false,
    background: {
      budgetBytes: parseWith(find("originBudget"), (found) => parseQuantity(found, parseBytes)),
      hours: parseWith(find("between"), parseHours),
      lists: parseWith(find("prefetch"), (found) => parsePaths(found, env)) ?? [],
      isPassing: false,
    },
    logFormat: parseWith(find("logFormat"), (found) => parseChoice(found, LOG_FORMATS)) ?? "pretty",
    logLevel: parseWith(find("logLevel"), (found) => parseChoice(found, LOG_LEVELS)) ?? "info",
  };
}

function parseCache(find: (setting: SettingName) => Found | undefined): KeeperOptions {
  const ttlMs = parseWith(find("cacheTtl"), (found) => parseQuantity(found, parseDuration));
  const given = find("cachePolicy");
  const policy =
    parseWith(given, (found) => parseChoice(found, POLICY_NAMES)) ?? (ttlMs === undefined ? "lru" : "lru-ttl");
  if (POLICIES[policy].expires && ttlMs === undefined) {
    throw new SwarmError("USAGE", `${given?.name} ${policy} needs a time`, {
      hint: "Give one with --cache-ttl, such as 7d.",
    });
  }
  const maxBytes = parseWith(find("cacheMaxSize"), (found) => parseQuantity(found, parseBytes));
  const maxModels = parseWith(find("cacheMaxModels"), parseCount);
  const minFreeBytes = parseWith(find("minFree"), (found) => parseQuantity(found, parseBytes));
  const reservedPinnedShare = parseWith(find("reservePinned"), parseShare);
  if (reservedPinnedShare !== undefined && maxBytes === undefined) {
    throw new SwarmError("USAGE", `${find("reservePinned")?.name} is a share of --cache-max-size, which is not given`);
  }
  return {
    policy,
    bounds: {
      ...(maxBytes === undefined ? {} : { maxBytes }),
      ...(maxModels === undefined ? {} : { maxModels }),
      ...(minFreeBytes === undefined ? {} : { minFreeBytes }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(reservedPinnedShare === undefined ? {} : { reservedPinnedShare }),
    },
    adoptEvict: parseWith(find("adoptEvict"), parseSwitch) ?? false,
    keepStartup: parseWith(find("keepStartup"), parseSwitch) ?? false,
  };
}

/** The parser's message, with the name of the setting before it. */
function parseQuantity(found: Found, parse: (text: string) => number): number {
  try {
    const quantity = parse(String(found.value));
    if (quantity > 0) return quantity;
    throw new SwarmError("USAGE", `nothing is too little: ${JSON.stringify(found.value)}`);
  } catch (error) {
    const { message, hint } = error as SwarmError;
    throw new SwarmError("USAGE", `${found.name}: ${message}`, hint === undefined ? {} : { hint });
  }
}

function parseCount({ value, name }: Found): number {
  if (/^[1-9]\d{0,8}$/.test(String(value).trim())) return Number(value);
  throw new SwarmError("USAGE", `${name} is no whole number above 0: ${JSON.stringify(value)}`);
}

/** `60%` → 0.6. */
function parseShare({ value, name }: Found): number {
  const percent = /^(\d{1,3}(?:\.\d{1,3})?)\s?%$/.exec(String(value).trim())?.[1];
  if (percent !== undefined && Number(percent) <= 100) return Number(percent) / 100;
  throw new SwarmError("USAGE", `${name} is no share: ${JSON.stringify(value)}`, { hint: "Write it as 60%." });
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

/** As {@link parseList}, each as {@link parsePath}. */
function parsePaths(found: Found, env: Environment): readonly string[] {
  return parseList(found).map((value) => parsePath({ ...found, value }, env));
}

function parseHours({ value, name }: Found): DayHours {
  try {
    return parseDayHours(String(value));
  } catch (error) {
    const { message, hint } = error as SwarmError;
    throw new SwarmError("USAGE", `${name}: ${message}`, hint === undefined ? {} : { hint });
  }
}

function parseWorkerCount({ value, name }: Found): number {
  const isDigits = typeof value === "string" && /^\d{1,9}$/.test(value.trim());
  return parseWorkers(isDigits ? Number(value) : value, name);
}

function parsePort({ value, name }: Found): number {
  const port = typeof value === "string" && /^\d{1,5}$/.test(value.trim()) ? Number(value) : value;
  if (typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new SwarmError("USAGE", `${name} is no port: ${JSON.stringify(value)}`, {
    hint: "A port is a number from 1 to 65535; 0 picks a free one.",
  });
}

/** In a shell where `swarm env` was heeded, HF_ENDPOINT names this node, which can't be its own origin. */
function realHub(endpoint: string, gateway: GatewayAddress | undefined): string {
  const { hostname, port } = new URL(endpoint);
  const isOwn =
    LOOPBACK.test(hostname.replace(/^\[|\]$/g, "")) && port === String(gateway?.port ?? DEFAULT_GATEWAY_PORT);
  return isOwn ? DEFAULT_HF_ENDPOINT : endpoint;
}

/** Beyond this machine only for those who know a token. */
function parseGateway(find: (setting: SettingName) => Found | undefined): GatewayAddress | undefined {
  if (parseWith(find("noGateway"), parseSwitch) ?? false) return undefined;
  const host = parseWith(find("gatewayHost"), parseText) ?? DEFAULT_GATEWAY_HOST;
  const port = parseWith(find("gatewayPort"), parsePort) ?? DEFAULT_GATEWAY_PORT;
  const token = parseWith(find("gatewayToken"), parseGatewayToken);
  if (token === undefined && !LOOPBACK.test(host)) {
    throw new SwarmError("USAGE", `--gateway-host ${host} lets other machines in, but there is no --gateway-token`, {
      hint: "Choose a token (openssl rand -hex 16), set SWARM_GATEWAY_TOKEN, and give clients what swarm env prints.",
    });
  }
  return { host, port, token };
}

function parseGatewayToken(found: Found): string {
  const token = parseText(found);
  if (/^[A-Za-z0-9_-]{16,128}$/.test(token)) return token;
  throw new SwarmError("USAGE", `${found.name} is no token`, { hint: "16 to 128 letters, digits, - or _." });
}

/** A flag given several times, an array in `config.toml`, or one text with commas. */
function parseList({ value, name }: Found): readonly string[] {
  const items: unknown = typeof value === "string" ? value.split(",") : value;
  if (Array.isArray(items) && items.every((item) => typeof item === "string")) {
    return items.map((item: string) => item.trim()).filter((item) => item !== "");
  }
  throw new SwarmError("USAGE", `${name} is no list: ${JSON.stringify(value)}`, {
    hint: 'Separate several with commas; in config.toml write ["one", "two"].',
  });
}

function parseNodes(found: Found): readonly string[] {
  return parseList(found).map((text) => {
    try {
      return parseNodeId(text);
    } catch (cause) {
      throw new SwarmError("USAGE", `${found.name} names no node: ${JSON.stringify(text)}`, {
        cause,
        hint: "swarm peers shows the ids of nodes; they begin with 12D3Koo.",
      });
    }
  });
}

function parseLinks(found: Found): ReadonlyMap<string, LinkClass> {
  return new Map(
    parseList(found).map((text) => {
      const at = text.lastIndexOf("=");
      const iface = at < 1 ? "" : text.slice(0, at);
      const given = text.slice(at + 1);
      const linkClass = LINK_CLASSES.find((one) => one === given);
      if (iface !== "" && linkClass !== undefined) return [iface, linkClass] as const;
      const nearest = findNearest(given, LINK_CLASSES);
      throw new SwarmError("USAGE", `${found.name} does not read INTERFACE=CLASS: ${JSON.stringify(text)}`, {
        hint: nearest === undefined ? `Classes: ${LINK_CLASSES.join(", ")}.` : `Did you mean ${iface}=${nearest}?`,
      });
    }),
  );
}

/** A whole number, or `off`. */
function parseSpotCheck(found: Found | undefined): number | undefined {
  if (found === undefined) return DEFAULT_SPOT_CHECK;
  const text = String(found.value).trim();
  if (text === "off") return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new SwarmError("USAGE", `${found.name} is neither a whole number nor off: ${JSON.stringify(found.value)}`, {
    hint: `One of so many shards from peers is compared with the origin; ${DEFAULT_SPOT_CHECK} is the default.`,
  });
}

/** `off` and no limit are the same. */
function parseLimit({ value, name }: Found): number | undefined {
  try {
    return parseRate(String(value));
  } catch (error) {
    const { message, hint } = error as SwarmError;
    throw new SwarmError("USAGE", `${name}: ${message}`, hint === undefined ? {} : { hint });
  }
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
