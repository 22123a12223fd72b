/** Checks what a client asks for, at the boundary. Every error names the field. Pure. */
import { parseDayHours } from "../day-hours.js";
import { SwarmError, toSwarmError } from "../errors.js";
import { compileFilePatterns } from "../file-patterns.js";
import { isCommitId, parseNodeId, parseRepoSpec, parseRevision } from "../ids.js";
import { findNearest } from "../nearest.js";
import { parseRate } from "../quantities.js";
import type {
  BackgroundRequest,
  CancelRequest,
  PrefetchRequest,
  StopPrefetchRequest,
  WatchRequest,
} from "./background-orders.js";
import type {
  ClusterCreateRequest,
  ClusterInviteRequest,
  ClusterJoinRequest,
  ClusterRotateRequest,
  ShareGatedRule,
} from "./cluster-types.js";
import type { AddRequest, LocateRequest, ManifestRequest, RegisterRequest } from "./face-types.js";
import { isUrlTarget, parsePullTarget, parseRepoTarget } from "./targets.js";
import type {
  CollectRequest,
  DiffRequest,
  HoldRequest,
  LimitsRequest,
  PinRequest,
  PullRequest,
  RemoveRequest,
  UnbanRequest,
  UnpinRequest,
  VerifyRequest,
} from "./types.js";

/** More parallel requests than this help nobody, and look like an attack to the origin. */
export const MAX_WORKERS = 64;
const MAX_PATH_LENGTH = 4096;

/** What messages call a field, for clients whose users know it by another name: `{localDir: "--local-dir"}`. */
export type FieldNames = Readonly<Record<string, string>>;

const PULL_FIELDS = [
  "target",
  "revision",
  "include",
  "exclude",
  "localDir",
  "out",
  "workers",
  "noPeer",
  "offline",
  "dryRun",
  "from",
] as const satisfies readonly (keyof PullRequest)[];

/** @throws SwarmError USAGE */
export function parsePullRequest(body: unknown, names: FieldNames = {}): PullRequest {
  const fields = new Fields(body, PULL_FIELDS, names);
  const request = withoutUndefined({
    target: parsePullTarget(fields.getText("target")),
    revision: fields.findRevision("revision"),
    include: fields.findTexts("include"),
    exclude: fields.findTexts("exclude"),
    localDir: fields.findPath("localDir"),
    out: fields.findPath("out"),
    workers: fields.find("workers", parseWorkers),
    noPeer: fields.findSwitch("noPeer"),
    offline: fields.findSwitch("offline"),
    dryRun: fields.findSwitch("dryRun"),
    from: fields.find("from", parseNode),
  });
  compileFilePatterns(request);
  checkTogether(request, (field) => names[field] ?? field);
  return request;
}

/** @throws SwarmError USAGE */
export function parseBackgroundRequest(body: unknown, names: FieldNames = {}): BackgroundRequest {
  const fields = new Fields(body, ["pull", "between"], names);
  const pull = fields.find("pull", (value) => parsePullRequest(value, names));
  if (pull === undefined) throw new SwarmError("USAGE", "pull is missing");
  if (pull.dryRun === true) {
    throw new SwarmError("USAGE", `${names.dryRun ?? "dryRun"} moves nothing, so there is nothing for the background`);
  }
  return withoutUndefined({ pull, between: fields.find("between", parseBetween) });
}

/** @throws SwarmError USAGE */
export function parsePrefetchRequest(body: unknown, names: FieldNames = {}): PrefetchRequest {
  const fields = new Fields(body, ["path", "between", "once"], names);
  return withoutUndefined({
    path: fields.getPath("path"),
    between: fields.find("between", parseBetween),
    once: fields.findSwitch("once"),
  });
}

/** @throws SwarmError USAGE */
export function parseStopPrefetchRequest(body: unknown, names: FieldNames = {}): StopPrefetchRequest {
  return { path: new Fields(body, ["path"], names).getPath("path") };
}

/** @throws SwarmError USAGE */
export function parseCancelRequest(body: unknown, names: FieldNames = {}): CancelRequest {
  const target = new Fields(body, ["target"], names).getText("target");
  return { target: /^\d{1,9}$/.test(target) ? target : parsePullTarget(target) };
}

/** @throws SwarmError USAGE */
export function parseWatchRequest(body: unknown, names: FieldNames = {}): WatchRequest {
  const jobs = new Fields(body, ["jobs"], names).find("jobs", (value, name) => {
    if (Array.isArray(value) && value.every((id) => Number.isSafeInteger(id))) return value as readonly number[];
    throw new SwarmError("USAGE", `${name} is no list of numbers`);
  });
  return { jobs: jobs ?? [] };
}

/** Checked, and left as it was written. */
function parseBetween(value: unknown, name: string): string {
  const text = parseText(value, name);
  try {
    parseDayHours(text);
    return text;
  } catch (error) {
    const { message, hint } = toSwarmError(error);
    throw new SwarmError("USAGE", `${name}: ${message}`, { cause: error, ...(hint === undefined ? {} : { hint }) });
  }
}

/** @throws SwarmError USAGE */
export function parseRemoveRequest(body: unknown, names: FieldNames = {}): RemoveRequest {
  const fields = new Fields(body, ["target", "partial", "dryRun"], names);
  return withoutUndefined({
    target: parseRepoTarget(fields.getText("target")),
    partial: fields.findSwitch("partial"),
    dryRun: fields.findSwitch("dryRun"),
  });
}

/** @throws SwarmError USAGE */
export function parseUnbanRequest(body: unknown, names: FieldNames = {}): UnbanRequest {
  const fields = new Fields(body, ["node"], names);
  return { node: parseNodeId(fields.getText("node")) };
}

/** @throws SwarmError USAGE */
export function parseDiffRequest(body: unknown, names: FieldNames = {}): DiffRequest {
  const fields = new Fields(body, ["from", "to", "offline"], names);
  return withoutUndefined({
    from: parseRepoTarget(fields.getText("from")),
    to: parseRepoTarget(fields.getText("to")),
    offline: fields.findSwitch("offline"),
  });
}

/** @throws SwarmError USAGE */
export function parsePinRequest(body: unknown, names: FieldNames = {}): PinRequest {
  const fields = new Fields(body, ["target", "copies"], names);
  return withoutUndefined({
    target: parseRepoTarget(fields.getText("target")),
    copies: fields.find("copies", parseCopies),
  });
}

/** @throws SwarmError USAGE */
export function parseUnpinRequest(body: unknown, names: FieldNames = {}): UnpinRequest {
  const fields = new Fields(body, ["target"], names);
  return { target: parseRepoTarget(fields.getText("target")) };
}

/** @throws SwarmError USAGE */
export function parseCollectRequest(body: unknown, names: FieldNames = {}): CollectRequest {
  const fields = new Fields(body, ["dryRun"], names);
  return withoutUndefined({ dryRun: fields.findSwitch("dryRun") });
}

/** @throws SwarmError USAGE */
export function parseHoldRequest(body: unknown, names: FieldNames = {}): HoldRequest {
  const fields = new Fields(body, ["target"], names);
  return { target: parseRepoTarget(fields.getText("target")) };
}

/** More nodes than one LAN has. */
const MOST_COPIES = 1_000;

function parseCopies(value: unknown, name: string): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_COPIES) return value as number;
  throw new SwarmError("USAGE", `${name} is no whole number from 1 to ${MOST_COPIES}: ${JSON.stringify(value)}`);
}

/** @throws SwarmError USAGE */
export function parseVerifyRequest(body: unknown, names: FieldNames = {}): VerifyRequest {
  const fields = new Fields(body, ["target", "explain", "mend"], names);
  return withoutUndefined({
    target: fields.find("target", () => parseRepoTarget(fields.getText("target"))),
    explain: fields.findSwitch("explain"),
    mend: fields.findSwitch("mend"),
  });
}

/** @throws SwarmError USAGE */
export function parseManifestRequest(body: unknown, names: FieldNames = {}): ManifestRequest {
  const fields = new Fields(body, ["target", "offline"], names);
  return withoutUndefined({
    target: parseRepoTarget(fields.getText("target")),
    offline: fields.findSwitch("offline"),
  });
}

/** @throws SwarmError USAGE */
export function parseLocateRequest(body: unknown, names: FieldNames = {}): LocateRequest {
  const fields = new Fields(body, ["target"], names);
  return { target: parseRepoTarget(fields.getText("target")) };
}

/** @throws SwarmError USAGE */
export function parseRegisterRequest(body: unknown, names: FieldNames = {}): RegisterRequest {
  const fields = new Fields(body, ["node", "model"], names);
  const node = fields.getText("node");
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/.test(node)) {
    throw new SwarmError(
      "USAGE",
      `${names.node ?? "node"} is no name of a node: ${JSON.stringify(node.slice(0, 200))}`,
      {
        hint: "A node is named by its id (swarm status shows it), or by up to 128 letters, digits and . _ : -.",
      },
    );
  }
  return { node, model: parseModelOfNode(fields.getText("model")) };
}

/** Where nobody looks, a branch would say nothing: only a commit names files. */
function parseModelOfNode(text: string): string {
  const { revision } = parseRepoSpec(parseRepoTarget(text));
  if (revision === undefined || isCommitId(revision)) return text;
  throw new SwarmError("USAGE", `${JSON.stringify(text)} names a branch or a tag`, {
    hint: "Give org/model, or org/model@ with a whole commit.",
  });
}

/** @throws SwarmError USAGE */
export function parseAddRequest(body: unknown, names: FieldNames = {}): AddRequest {
  const fields = new Fields(body, ["path", "as"], names);
  const path = fields.getPath("path");
  const as = parseRepoTarget(fields.getText("as"));
  const { revision } = parseRepoSpec(as);
  if (revision === undefined || !isCommitId(revision)) return { path, as };
  throw new SwarmError("USAGE", `a repo can't be published as a commit: ${JSON.stringify(as)}`, {
    hint: "The commit follows from the files. Give a branch or a tag, such as @v1, or nothing for main.",
  });
}

function parseNode(value: unknown, name: string): string {
  try {
    return parseNodeId(parseText(value, name));
  } catch (error) {
    throw new SwarmError("USAGE", `${name} names no node: ${JSON.stringify(String(value).slice(0, 200))}`, {
      cause: error,
      hint: "swarm peers shows the ids of nodes; they begin with 12D3Koo.",
    });
  }
}

/** @throws SwarmError USAGE */
export function parseLimitsRequest(body: unknown, names: FieldNames = {}): LimitsRequest {
  const fields = new Fields(body, ["maxUpload", "maxDownload", "maxOrigin"], names);
  const limits = withoutUndefined({
    maxUpload: fields.find("maxUpload", parseText),
    maxDownload: fields.find("maxDownload", parseText),
    maxOrigin: fields.find("maxOrigin", parseText),
  });
  for (const [field, rate] of Object.entries(limits)) checkRate(rate, names[field] ?? field);
  return limits;
}

function checkRate(rate: string, name: string): void {
  try {
    parseRate(rate);
  } catch (error) {
    const { message, hint } = toSwarmError(error);
    throw new SwarmError("USAGE", `${name}: ${message}`, { cause: error, ...(hint === undefined ? {} : { hint }) });
  }
}

/** @throws SwarmError USAGE */
export function parseClusterCreateRequest(body: unknown, names: FieldNames = {}): ClusterCreateRequest {
  const fields = new Fields(body, ["name", "shareGated", "swarmKey", "port"], names);
  return withoutUndefined({
    name: fields.find("name", parseClusterName),
    shareGated: fields.find("shareGated", parseShareGated),
    swarmKey: fields.find("swarmKey", parseText),
    port: fields.find("port", parsePairPort),
  });
}

/** @throws SwarmError USAGE */
export function parseClusterInviteRequest(body: unknown, names: FieldNames = {}): ClusterInviteRequest {
  return withoutUndefined({ port: new Fields(body, ["port"], names).find("port", parsePairPort) });
}

/** @throws SwarmError USAGE */
export function parseClusterJoinRequest(body: unknown, names: FieldNames = {}): ClusterJoinRequest {
  const fields = new Fields(body, ["code", "at"], names);
  return withoutUndefined({ code: fields.getText("code"), at: fields.find("at", parseText) });
}

/** @throws SwarmError USAGE */
export function parseClusterRotateRequest(body: unknown, names: FieldNames = {}): ClusterRotateRequest {
  return withoutUndefined({ remove: new Fields(body, ["remove"], names).find("remove", parseText) });
}

/** People read it in a terminal, and it travels to members: printable ASCII, 1 to 64 characters. */
function parseClusterName(value: unknown, name: string): string {
  const text = parseText(value, name);
  if (/^[\x20-\x7e]{1,64}$/.test(text)) return text;
  throw new SwarmError("USAGE", `${name} is no name of a cluster: ${JSON.stringify(text)}`, {
    hint: "Letters, digits and signs of ASCII, at most 64.",
  });
}

function parseShareGated(value: unknown, name: string): ShareGatedRule {
  if (value === "owners" || value === "members") return value;
  throw new SwarmError("USAGE", `${name} is neither owners nor members: ${JSON.stringify(value)}`, {
    hint: "owners: only to nodes whose own token opens the repo; members: to every member.",
  });
}

function parsePairPort(value: unknown, name: string): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535) return value as number;
  throw new SwarmError("USAGE", `${name} is no port: ${JSON.stringify(value)}`, {
    hint: "A port is a number from 1 to 65535; 0 picks a free one.",
  });
}

/** Whole, from 1 to {@link MAX_WORKERS}. @throws SwarmError USAGE */
export function parseWorkers(value: unknown, name = "workers"): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_WORKERS) return value as number;
  throw new SwarmError("USAGE", `${name} is no whole number from 1 to ${MAX_WORKERS}: ${JSON.stringify(value)}`, {
    hint: "It bounds how many requests go to the origin at a time; 10 is the default.",
  });
}

/** What each field allows by itself may still contradict another. */
function checkTogether(request: PullRequest, nameOf: (field: string) => string): void {
  if (isUrlTarget(request.target)) {
    const field = (["revision", "include", "exclude", "localDir", "from"] as const).find(
      (name) => request[name] !== undefined,
    );
    if (field === undefined) return;
    throw new SwarmError("USAGE", `${nameOf(field)} is for repos; a URL names one file`, {
      hint: field === "localDir" ? `Say where the file should go with ${nameOf("out")}.` : `Leave it out.`,
    });
  }
  const at = request.target.indexOf("@");
  const inTarget = at === -1 ? undefined : request.target.slice(at + 1);
  if (inTarget !== undefined && request.revision !== undefined && inTarget !== request.revision) {
    throw new SwarmError(
      "USAGE",
      `two revisions: ${inTarget} behind the @, ${request.revision} in ${nameOf("revision")}`,
      {
        hint: "Give one of them.",
      },
    );
  }
  if (request.localDir !== undefined && request.out !== undefined) {
    throw new SwarmError("USAGE", `${nameOf("localDir")} and ${nameOf("out")} exclude each other`, {
      hint: `${nameOf("localDir")} is a folder for all files; ${nameOf("out")} is the name of the only one.`,
    });
  }
}

/** The fields of one request body, taken out one by one. */
class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #names: FieldNames;

  /** A field that nobody knows is refused, so that no wish is dropped in silence. */
  constructor(body: unknown, known: readonly string[], names: FieldNames) {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new SwarmError("USAGE", "the request body is no JSON object");
    }
    for (const field of Object.keys(body)) {
      if (known.includes(field)) continue;
      const nearest = findNearest(field, known);
      throw new SwarmError("USAGE", `unknown field ${JSON.stringify(field)}`, {
        hint: nearest === undefined ? `Known fields: ${known.join(", ")}.` : `Did you mean ${nearest}?`,
      });
    }
    this.#values = body as Record<string, unknown>;
    this.#names = names;
  }

  /** JSON has no undefined, but `null` is how many languages write a field that is not there. */
  find<Value>(field: string, parse: (value: unknown, name: string) => Value): Value | undefined {
    const value = this.#values[field];
    return value === undefined || value === null ? undefined : parse(value, this.#names[field] ?? field);
  }

  getText(field: string): string {
    const text = this.find(field, parseText);
    if (text !== undefined) return text;
    throw new SwarmError("USAGE", `${this.#names[field] ?? field} is missing`);
  }

  getPath(field: string): string {
    const path = this.findPath(field);
    if (path !== undefined) return path;
    throw new SwarmError("USAGE", `${this.#names[field] ?? field} is missing`);
  }

  findRevision(field: string): string | undefined {
    return this.find(field, (value, name) => parseRevision(parseText(value, name)));
  }

  findSwitch(field: string): boolean | undefined {
    return this.find(field, (value, name) => {
      if (typeof value === "boolean") return value;
      throw new SwarmError("USAGE", `${name} is neither true nor false`);
    });
  }

  findTexts(field: string): readonly string[] | undefined {
    return this.find(field, (value, name) => {
      if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
      throw new SwarmError("USAGE", `${name} is no list of texts`);
    });
  }

  findPath(field: string): string | undefined {
    return this.find(field, (value, name) => parseAbsolutePath(parseText(value, name), name));
  }
}

function parseText(value: unknown, name: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new SwarmError("USAGE", value === "" ? `${name} is empty` : `${name} is no text`);
}

function parseAbsolutePath(path: string, name: string): string {
  const isAbsolute = /^(?:\/|[A-Za-z]:[\\/]|\\\\)/.test(path);
  if (isAbsolute && path.length <= MAX_PATH_LENGTH && !path.includes("\0")) return path;
  throw new SwarmError("USAGE", `${name} is no absolute path: ${JSON.stringify(path.slice(0, 200))}`, {
    hint: "The daemon may run in another folder, so it takes absolute paths only.",
  });
}

type Compact<Values> = {
  readonly [Name in keyof Values as undefined extends Values[Name] ? never : Name]: Values[Name];
} & {
  readonly [Name in keyof Values as undefined extends Values[Name] ? Name : never]?: Exclude<Values[Name], undefined>;
};

function withoutUndefined<Values extends object>(values: Values): Compact<Values> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Compact<Values>;
}
