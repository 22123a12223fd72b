/** From a request's path to what it asks for. A repo has one or two segments, so the verb after it is looked for. */
import type { RepoType } from "@swarmd/protocol";

/** What a request is about: the label of counters and the scope of faults. `cdn` is the second listener. */
export type RequestKind =
  | "info"
  | "tree"
  | "pathsInfo"
  | "refs"
  | "commits"
  | "authCheck"
  | "whoami"
  | "resolve"
  | "raw"
  | "resolveCache"
  | "file"
  | "cdn"
  | "other";

export interface Route {
  readonly kind: RequestKind;
  readonly repo?: { readonly type: RepoType; readonly name: string };
  /** Decoded segments after the verb: the revision, then the path (or for `file`: the name). */
  readonly rest: readonly string[];
}

const VERBS: Readonly<Record<string, RequestKind>> = {
  revision: "info",
  tree: "tree",
  "paths-info": "pathsInfo",
  refs: "refs",
  commits: "commits",
  "auth-check": "authCheck",
};

/** The route of a path of the Hub's own listener. Never throws: what it can't read is `other`. */
export function parseRoute(pathname: string): Route {
  const segments = decodeSegments(pathname);
  if (segments === undefined) return { kind: "other", rest: [] };
  if (segments[0] === "files") return { kind: "file", rest: segments.slice(1) };
  if (segments[0] === "api") return parseApi(segments.slice(1));
  const type = repoTypeOf(segments[0]);
  const after = type === undefined || type === "model" ? segments : segments.slice(1);
  const verbAt = after.findIndex((segment, i) => (i === 1 || i === 2) && (segment === "resolve" || segment === "raw"));
  if (verbAt === -1) return { kind: "other", rest: segments };
  return {
    kind: after[verbAt] as "resolve" | "raw",
    repo: { type: type ?? "model", name: after.slice(0, verbAt).join("/") },
    rest: after.slice(verbAt + 1),
  };
}

function parseApi(segments: readonly string[]): Route {
  if (segments[0] === "whoami-v2") return { kind: "whoami", rest: [] };
  if (segments[0] === "resolve-cache") return parseResolveCache(segments.slice(1));
  const type = repoTypeOf(segments[0]);
  const after = segments.slice(1);
  if (type === undefined || after.length === 0) return { kind: "other", rest: segments };
  const verbAt = after.findIndex((segment, i) => (i === 1 || i === 2) && Object.hasOwn(VERBS, segment));
  const name = (verbAt === -1 ? after : after.slice(0, verbAt)).join("/");
  if (verbAt === -1)
    return after.length > 2 ? { kind: "other", rest: segments } : { kind: "info", repo: { type, name }, rest: [] };
  return { kind: VERBS[after[verbAt] as string] as RequestKind, repo: { type, name }, rest: after.slice(verbAt + 1) };
}

/** `{type}s/{repo}/{commit}/{path}`: no verb, so the commit is what is looked for. */
function parseResolveCache(segments: readonly string[]): Route {
  const type = repoTypeOf(segments[0]);
  const after = segments.slice(1);
  const commitAt = after.findIndex((segment, i) => (i === 1 || i === 2) && /^[0-9a-f]{40}$/.test(segment));
  if (type === undefined || commitAt === -1) return { kind: "other", rest: segments };
  return {
    kind: "resolveCache",
    repo: { type, name: after.slice(0, commitAt).join("/") },
    rest: after.slice(commitAt),
  };
}

function repoTypeOf(segment: string | undefined): RepoType | undefined {
  if (segment === "models") return "model";
  if (segment === "datasets") return "dataset";
  return segment === "spaces" ? "space" : undefined;
}

function decodeSegments(pathname: string): string[] | undefined {
  try {
    return pathname
      .split("/")
      .filter((segment) => segment !== "")
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
