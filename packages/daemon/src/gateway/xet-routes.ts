/**
 * Files that Python's client fetches by Xet or not at all, because they are too large for it: for these alone the gateway names itself as the
 * store of chunks, and serves them in that form. The bytes come from cache and swarm as always.
 */
import type { OutgoingHttpHeaders } from "node:http";
import {
  type CommitId,
  digestOf,
  parseCommitId,
  parseRepoName,
  type RepoFile,
  type RepoRef,
  type RepoType,
} from "@swarmd/protocol";
import type { BlobSender } from "./blob-sender.js";
import { parseRanges } from "./byte-ranges.js";
import { type Caller, callerOf } from "./caller.js";
import { HubError } from "./hub-error.js";
import type { RepoAccess, RepoView } from "./repo-access.js";
import { API_TYPE, quote, REPO, REVISION, repoOf, revisionOf } from "./repo-address.js";
import type { RepoFiles } from "./repo-files.js";
import type { GatewayCall, GatewayRoute } from "./route-table.js";
import { openTicket, sealTicket } from "./sealed-ticket.js";
import { sendJson } from "./send-json.js";
import { layOut, planReconstruction, xorbWireBytes } from "./xet-form.js";

export interface XetOptions {
  /** From this size on. */
  readonly fromBytes: number;
}

export interface XetDeps {
  readonly access: RepoAccess;
  readonly files: RepoFiles;
  readonly sender: BlobSender;
}

/** huggingface_hub refuses to fetch more by plain HTTP, before any request. */
export const XET_FROM_BYTES = 50_000_000_000;
const TICKET_MS = 15 * 60_000;

/** What a ticket says. */
interface Grant {
  readonly authorization: string | undefined;
  readonly type: RepoType;
  readonly name: string;
  readonly commit: string;
}

/** The ways to Xet in the head of a file; none for one that plain HTTP will do for. */
export function xetHeaders(
  call: GatewayCall,
  view: RepoView,
  file: RepoFile,
  { fromBytes }: XetOptions,
): OutgoingHttpHeaders {
  const digest = digestOf(file.blob);
  if (file.sizeBytes <= fromBytes || digest?.algorithm !== "sha256") return {};
  const { type, name } = view.repo;
  const route = `${call.baseUrl}/api/${type}s/${name}/xet-read-token/${quote(view.commit)}`;
  return { "x-xet-hash": digest.hex, "x-xet-refresh-route": route, link: `<${route}>; rel="xet-auth"` };
}

export function xetRoutes(deps: XetDeps): readonly GatewayRoute[] {
  const routes = new XetRoutes(deps);
  return [
    {
      method: "GET",
      pattern: new RegExp(`^/api/${API_TYPE}/${REPO}/xet-read-token/${REVISION}$`),
      handle: (call) => routes.token(call),
    },
    {
      method: "GET",
      pattern: /^\/xet\/v1\/reconstructions\/(?<hash>[0-9a-f]{64})$/,
      handle: (call) => routes.reconstruction(call),
    },
    {
      method: "GET",
      pattern: /^\/xet\/xorbs\/(?<hash>[0-9a-f]{64})\/(?<xorb>\d{1,7})$/,
      handle: (call) => routes.xorb(call),
    },
  ];
}

class XetRoutes {
  readonly #deps: XetDeps;

  constructor(deps: XetDeps) {
    this.#deps = deps;
  }

  async token(call: GatewayCall): Promise<void> {
    const { caller, params, baseUrl } = call;
    const { repo, commit } = await this.#deps.access.look(caller, repoOf(params), revisionOf(params));
    const untilMs = Date.now() + TICKET_MS;
    const grant: Grant = { authorization: caller.authorization, type: repo.type, name: repo.name, commit };
    const accessToken = sealTicket(grant, untilMs);
    const exp = Math.floor(untilMs / 1000);
    const casUrl = `${baseUrl}/xet`;
    sendJson(
      call,
      200,
      { accessToken, exp, casUrl },
      {
        "x-xet-cas-url": casUrl,
        "x-xet-access-token": accessToken,
        "x-xet-token-expiration": exp,
      },
    );
  }

  async reconstruction(call: GatewayCall): Promise<void> {
    const { request, params, baseUrl } = call;
    const ticket = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const { file } = await this.#admit(ticket, params.hash ?? "");
    const asked = parseRanges(request.headers.range, file.sizeBytes);
    if (asked.kind === "unsatisfiable") throw new HubError(416, `the file has ${file.sizeBytes} bytes`);
    const range = asked.kind === "part" ? asked.range : { startBytes: 0, endBytes: file.sizeBytes };
    const urlOf = (xorb: number) => `${baseUrl}/xet/xorbs/${params.hash}/${xorb}?ticket=${ticket}`;
    sendJson(call, 200, planReconstruction({ id: params.hash ?? "", sizeBytes: file.sizeBytes }, range, urlOf));
  }

  async xorb(call: GatewayCall): Promise<void> {
    const { request, params, query } = call;
    const { caller, view, file } = await this.#admit(query.get("ticket") ?? "", params.hash ?? "");
    const xorb = Number(params.xorb);
    const wireBytes = xorbWireBytes(file.sizeBytes, xorb);
    if (wireBytes === undefined) throw new HubError(404, "the file has no such xorb");
    const asked = parseRanges(request.headers.range, wireBytes);
    if (asked.kind === "unsatisfiable") throw new HubError(416, `the xorb has ${wireBytes} bytes`);
    const isPart = asked.kind === "part";
    const wire = isPart ? asked.range : { startBytes: 0, endBytes: wireBytes };
    const headers: OutgoingHttpHeaders = {
      "content-type": "application/octet-stream",
      "content-length": wire.endBytes - wire.startBytes,
      "accept-ranges": "bytes",
      ...(isPart ? { "content-range": `bytes ${wire.startBytes}-${wire.endBytes - 1}/${wireBytes}` } : {}),
    };
    const parts = layOut(file.sizeBytes, xorb, wire);
    const { repo, revision, commit, isRestricted, isOwn, source } = view;
    const wanted = { repo, revision, commit, file, isRestricted, isOwn, isHubUp: source === "hub" };
    await this.#deps.sender.sendParts({ ...call, caller }, wanted, { status: isPart ? 206 : 200, headers }, parts);
  }

  /** @throws HubError 401 for no ticket of ours; what the Hub says of the caller's access; 404 for no such file */
  async #admit(
    ticket: string,
    hash: string,
  ): Promise<{ readonly caller: Caller; readonly view: RepoView; readonly file: RepoFile }> {
    const grant = openTicket(ticket, Date.now()) as Grant | undefined;
    if (grant === undefined) throw new HubError(401, "no ticket of this gateway, or one that is too old");
    const caller = callerOf(grant.authorization);
    const repo: RepoRef = { type: grant.type, name: parseRepoName(grant.name) };
    const commit: CommitId = parseCommitId(grant.commit);
    const view = await this.#deps.access.look(caller, repo, revisionOf({ revision: commit }));
    for (const file of (await this.#deps.files.table(caller, view)).values()) {
      // The Hub's own hash is what a client asks by that kept a list of files from before it knew us.
      if (file.blob !== `sha256:${hash}` && file.xetHash !== hash) continue;
      await this.#deps.access.checkFile(caller, view, file.path);
      return { caller, view, file };
    }
    throw new HubError(404, "the repo has no such file", { code: "EntryNotFound" });
  }
}
