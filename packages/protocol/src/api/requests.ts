/** Checks what a client asks for, at the boundary. Every error names the field. Pure. */
import { SwarmError } from "../errors.js";
import { compileFilePatterns } from "../file-patterns.js";
import { parseRepoSpec, parseRevision } from "../ids.js";
import { findNearest } from "../nearest.js";
import type { PullRequest, RemoveRequest, VerifyRequest } from "./types.js";

/** More parallel requests than this help nobody, and look like an attack to the origin. */
export const MAX_WORKERS = 64;
/** Longer than any URL a server takes. */
const MAX_URL_LENGTH = 8192;
const MAX_PATH_LENGTH = 4096;

/** Whether a pull target is a plain URL rather than a repo. */
export function isUrlTarget(target: string): boolean {
  return /^https?:\/\//i.test(target);
}

/** @throws SwarmError USAGE */
export function parsePullRequest(body: unknown): PullRequest {
  const fields = parseFields(body, [
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
  ]);
  const request = withoutUndefined({
    target: parsePullTarget(fields.target),
    revision: optional(fields.revision, parseRevisionField),
    include: optional(fields.include, (value) => parseStrings(value, "include")),
    exclude: optional(fields.exclude, (value) => parseStrings(value, "exclude")),
    localDir: optional(fields.localDir, (value) => parseAbsolutePath(value, "localDir")),
    out: optional(fields.out, (value) => parseAbsolutePath(value, "out")),
    workers: optional(fields.workers, parseWorkers),
    noPeer: optional(fields.noPeer, (value) => parseBoolean(value, "noPeer")),
    offline: optional(fields.offline, (value) => parseBoolean(value, "offline")),
    dryRun: optional(fields.dryRun, (value) => parseBoolean(value, "dryRun")),
  });
  compileFilePatterns(request);
  checkTogether(request);
  return request;
}

/** @throws SwarmError USAGE */
export function parseRemoveRequest(body: unknown): RemoveRequest {
  const fields = parseFields(body, ["target", "partial", "dryRun"]);
  return withoutUndefined({
    target: parseRepoTarget(fields.target),
    partial: optional(fields.partial, (value) => parseBoolean(value, "partial")),
    dryRun: optional(fields.dryRun, (value) => parseBoolean(value, "dryRun")),
  });
}

/** @throws SwarmError USAGE */
export function parseVerifyRequest(body: unknown): VerifyRequest {
  const fields = parseFields(body, ["target"]);
  return withoutUndefined({ target: optional(fields.target, parseRepoTarget) });
}

/** Whole, from 1 to {@link MAX_WORKERS}. @throws SwarmError USAGE */
export function parseWorkers(value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_WORKERS) return value as number;
  throw new SwarmError("USAGE", `workers is no number from 1 to ${MAX_WORKERS}: ${JSON.stringify(value)}`, {
    hint: "It bounds how many requests go to the origin at a time; 10 is the default.",
  });
}

/** The fields of a request body; one that nobody knows is refused, so that no wish is dropped in silence. */
function parseFields(body: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new SwarmError("USAGE", "the request body is no JSON object");
  }
  for (const name of Object.keys(body)) {
    if (known.includes(name)) continue;
    const nearest = findNearest(name, known);
    throw new SwarmError("USAGE", `unknown field ${JSON.stringify(name)}`, {
      hint: nearest === undefined ? `Known fields: ${known.join(", ")}.` : `Did you mean ${nearest}?`,
    });
  }
  return body as Record<string, unknown>;
}

function parsePullTarget(value: unknown): string {
  const target = parseString(value, "target");
  if (!isUrlTarget(target)) {
    parseRepoSpec(target);
    return target;
  }
  // The origin room parses it for good; here only what could not be a URL at all is refused.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (target.length > MAX_URL_LENGTH || /[\u0000-\u0020\u007f]/.test(target) || !/^https?:\/\/[^/?#]/i.test(target)) {
    throw new SwarmError("USAGE", `not a URL: ${JSON.stringify(target.slice(0, 200))}`, {
      hint: "A URL looks like https://host/path/model.gguf, with spaces written as %20.",
    });
  }
  return target;
}

function parseRepoTarget(value: unknown): string {
  const target = parseString(value, "target");
  parseRepoSpec(target);
  return target;
}

function parseRevisionField(value: unknown): string {
  return parseRevision(parseString(value, "revision"));
}

/** What each field allows by itself may still contradict another. */
function checkTogether(request: PullRequest): void {
  if (isUrlTarget(request.target)) {
    const field = (["revision", "include", "exclude", "localDir"] as const).find((name) => request[name] !== undefined);
    if (field === undefined) return;
    throw new SwarmError("USAGE", `${field} is for repos; a URL names one file`, {
      hint: field === "localDir" ? "Say where the file should go with out." : `Leave ${field} out.`,
    });
  }
  const inTarget = parseRepoSpec(request.target).revision;
  if (inTarget !== undefined && request.revision !== undefined && inTarget !== request.revision) {
    throw new SwarmError("USAGE", `two revisions: ${inTarget} behind the @ and ${request.revision} in revision`, {
      hint: "Give one of them.",
    });
  }
  if (request.localDir !== undefined && request.out !== undefined) {
    throw new SwarmError("USAGE", "localDir and out exclude each other", {
      hint: "localDir is a folder for all files; out is the name of the only one.",
    });
  }
}

function parseString(value: unknown, field: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new SwarmError("USAGE", value === undefined ? `${field} is missing` : `${field} is no text`);
}

function parseBoolean(value: unknown, field: string): boolean {
  if (typeof value === "boolean") return value;
  throw new SwarmError("USAGE", `${field} is neither true nor false`);
}

function parseStrings(value: unknown, field: string): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw new SwarmError("USAGE", `${field} is no list of patterns`);
}

function parseAbsolutePath(value: unknown, field: string): string {
  const path = parseString(value, field);
  const isAbsolute = /^(?:\/|[A-Za-z]:[\\/]|\\\\)/.test(path);
  if (isAbsolute && path.length <= MAX_PATH_LENGTH && !path.includes("\0")) return path;
  throw new SwarmError("USAGE", `${field} is no absolute path: ${JSON.stringify(path.slice(0, 200))}`, {
    hint: "The daemon may run in another folder, so it takes absolute paths only.",
  });
}

/** JSON has no undefined, but `null` is how many languages write a field that is not there. */
function optional<Value>(value: unknown, parse: (value: unknown) => Value): Value | undefined {
  return value === undefined || value === null ? undefined : parse(value);
}

type Compact<Fields> = {
  readonly [Name in keyof Fields as undefined extends Fields[Name] ? never : Name]: Fields[Name];
} & {
  readonly [Name in keyof Fields as undefined extends Fields[Name] ? Name : never]?: Exclude<Fields[Name], undefined>;
};

function withoutUndefined<Fields extends object>(fields: Fields): Compact<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Compact<Fields>;
}
