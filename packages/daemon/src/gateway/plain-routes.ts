/**
 * Plain faces, for tools that know nothing of the Hub: blobs by their digest, what is in a model, and which nodes have it. Nobody sees more
 * here than the Hub's own addresses would show him.
 */
import {
  type BlobId,
  type CommitId,
  parseBlobId,
  parseRepoSpec,
  parseRevision,
  type RepoRef,
  SwarmError,
} from "@swarmd/protocol";
import {
  type ModelLocation,
  type ModelManifest,
  parseLocateRequest,
  parseManifestRequest,
  parseRegisterRequest,
  type RegisterRequest,
  type RegisterResult,
} from "@swarmd/protocol/api";
import type { Caller } from "./caller.js";
import { fileHead } from "./file-head.js";
import { HubError } from "./hub-error.js";
import type { OpenFile, Outlets } from "./ports.js";
import type { RepoAccess, RepoView } from "./repo-access.js";
import type { RepoFiles } from "./repo-files.js";
import { readBody } from "./request-body.js";
import type { GatewayCall, GatewayRoute } from "./route-table.js";
import { sendJson } from "./send-json.js";

/** One place where a blob of the cache stands. */
export interface BlobHome {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  readonly path: string;
}

/** What the rest of the node knows of models and blobs. */
export interface PlainFaces {
  /** A whole file of the cache; `undefined` when there is none. Must be closed. */
  openBlob(blob: BlobId): Promise<OpenFile | undefined>;
  /** Whether everybody may have it, as far as this node knows without asking. */
  isPublic(blob: BlobId): boolean;
  /** The repos of the cache that have it, one file of each. */
  homesOf(blob: BlobId, options: { readonly signal: AbortSignal }): Promise<readonly BlobHome[]>;
  describe(view: RepoView, options: { readonly signal: AbortSignal }): Promise<ModelManifest>;
  /** What everybody may know. */
  locate(target: string): Promise<ModelLocation>;
  register(request: RegisterRequest): RegisterResult;
}

export interface PlainRoutesDeps {
  readonly faces: PlainFaces;
  readonly access: RepoAccess;
  readonly files: RepoFiles;
  readonly outlets: Outlets;
}

/** What is named by its digest never changes. */
const IMMUTABLE = { "cache-control": "public, max-age=31536000, immutable" };
/** The same for what only some may see: shared caches must not keep it. */
const IMMUTABLE_PRIVATE = { "cache-control": "private, max-age=31536000, immutable" };
/** A popular file (a tokenizer) stands in many repos; one that lets the caller in is enough. */
const HOMES_MAX = 8;

export function plainRoutes(deps: PlainRoutesDeps): readonly GatewayRoute[] {
  const routes = new PlainRoutes(deps);
  return [
    {
      method: "GET",
      pattern: /^\/blobs\/sha256(?::|%3[Aa])(?<digest>[0-9a-f]{64})$/,
      handle: (call) => routes.blob(call),
    },
    {
      method: "GET",
      pattern: /^\/api\/swarm\/v1\/manifest\/(?<target>[^?]+)$/,
      handle: (call) => routes.manifest(call),
    },
    { method: "GET", pattern: /^\/locate\/(?<target>[^?]+)$/, handle: (call) => routes.locate(call) },
    { method: "POST", pattern: /^\/register$/, handle: (call) => routes.register(call) },
  ];
}

class PlainRoutes {
  readonly #deps: PlainRoutesDeps;

  constructor(deps: PlainRoutesDeps) {
    this.#deps = deps;
  }

  async blob(call: GatewayCall): Promise<void> {
    const blob = parseBlobId(`sha256:${call.params.digest}`);
    const file = await this.#deps.faces.openBlob(blob);
    // What is not here and what is not for this caller look the same.
    const missing = () => new HubError(404, "no such blob here, or not for you", { code: "EntryNotFound" });
    if (file === undefined) throw missing();
    try {
      const isPublic = this.#deps.faces.isPublic(blob);
      if (!isPublic && !(await this.#mayHave(call, blob))) throw missing();
      await this.#send(call, blob, file, isPublic);
    } finally {
      await file.close();
    }
  }

  async manifest(call: GatewayCall): Promise<void> {
    const { caller, params, signal } = call;
    const { target } = parseManifestRequest({ target: params.target });
    const { repo, revision = parseRevision("main") } = parseRepoSpec(target);
    const view = await this.#deps.access.look(caller, repo, revision);
    await this.#checkList(caller, view);
    const manifest = await this.#deps.faces.describe(view, { signal });
    sendJson(call, 200, manifest, { "x-repo-commit": view.commit });
  }

  async locate(call: GatewayCall): Promise<void> {
    const { target } = parseLocateRequest({ target: call.params.target });
    sendJson(call, 200, await this.#deps.faces.locate(target));
  }

  async register(call: GatewayCall): Promise<void> {
    const { request } = call;
    // A page can post forms and plain text to anywhere without asking; JSON it can't.
    if (!/^application\/json(?:;|$)/i.test(request.headers["content-type"] ?? "")) {
      throw new HubError(415, "the request body is not declared as application/json");
    }
    const body = await readBody(request);
    let json: unknown;
    try {
      json = JSON.parse(body.toString("utf8"));
    } catch (cause) {
      throw new HubError(400, "the request is no JSON", { cause });
    }
    sendJson(call, 200, this.#deps.faces.register(parseRegisterRequest(json)));
  }

  /** A gate shows its list to everybody but the hashes: who may have a file may see them. @throws HubError as the Hub refused it */
  async #checkList(caller: Caller, view: RepoView): Promise<void> {
    if (!view.isRestricted) return;
    const table = await this.#deps.files.table(caller, view);
    const large = [...table.values()].find(({ blob }) => blob.startsWith("sha256:")) ?? [...table.values()][0];
    if (large !== undefined) await this.#deps.access.checkFile(caller, view, large.path);
  }

  /** Whether one of the repos that have it lets this caller in. */
  async #mayHave({ caller, signal }: GatewayCall, blob: BlobId): Promise<boolean> {
    const { faces, access } = this.#deps;
    for (const { repo, commit, path } of (await faces.homesOf(blob, { signal })).slice(0, HOMES_MAX)) {
      try {
        const view = await access.look(caller, repo, parseRevision(commit));
        await access.checkFile(caller, view, path);
        return true;
      } catch (error) {
        // This repo does not let him in, or nobody can say now: the next may.
        if (signal.aborted || !(error instanceof HubError || error instanceof SwarmError)) throw error;
      }
    }
    return false;
  }

  async #send(call: GatewayCall, blob: BlobId, file: OpenFile, isPublic: boolean): Promise<void> {
    const { response, isHead, signal } = call;
    const { sizeBytes } = file;
    const head = fileHead(call, { blob, sizeBytes, headers: isPublic ? IMMUTABLE : IMMUTABLE_PRIVATE });
    const { startBytes, endBytes } = head.range;
    response.writeHead(head.status, head.headers);
    if (isHead || startBytes === endBytes) {
      response.end();
      return;
    }
    const outlet = this.#deps.outlets.open(response, { signal });
    try {
      await outlet.send(file, startBytes, endBytes);
      response.end();
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      outlet.close();
    }
  }
}
