/** What the Hub says about repos: asked of it with the caller's token and passed on without Xet; made from the cache while it is down. */
import { isCommitId, type RepoRef, type Revision } from "@swarmd/protocol";
import { HubError } from "./hub-error.js";
import { describePaths, infoOf, listTree, PAGE_ENTRIES, refsOf } from "./own-answers.js";
import { isDown, type PatientUpstream } from "./patient-upstream.js";
import type { HubAnswer, HubRequest, RepoStore, Visibility } from "./ports.js";
import { codeOf } from "./refusal.js";
import { passedHeaders, passedWithType, rewriteLink, stripXet } from "./relay-headers.js";
import { gone, type RepoAccess, type RepoView } from "./repo-access.js";
import { API_TYPE, apiTarget, quote, REPO, REVISION, repoOf, revisionOf } from "./repo-address.js";
import type { FileTable, RepoFiles } from "./repo-files.js";
import { noEntry } from "./repo-files.js";
import { parsePaths, readBody } from "./request-body.js";
import type { GatewayCall, GatewayRoute } from "./route-table.js";
import { sendJson } from "./send-json.js";

export interface MetadataDeps {
  readonly upstream: PatientUpstream;
  readonly access: RepoAccess;
  readonly files: RepoFiles;
  readonly store: Pick<RepoStore, "listRefs">;
  readonly visibility: Visibility;
  /** Of the Hub, without a trailing slash. */
  readonly endpoint: string;
}

/** Makes an answer from the cache. */
type Instead = (view: RepoView, table: FileTable) => Promise<void> | void;

export function metadataRoutes(deps: MetadataDeps): readonly GatewayRoute[] {
  const routes = new MetadataRoutes(deps);
  const api = `^/api/${API_TYPE}/${REPO}`;
  return [
    { method: "GET", pattern: new RegExp(`${api}/tree/${REVISION}(?:/(?<path>.*))?$`), handle: (c) => routes.tree(c) },
    { method: "POST", pattern: new RegExp(`${api}/paths-info/${REVISION}$`), handle: (c) => routes.pathsInfo(c) },
    { method: "GET", pattern: new RegExp(`${api}/refs$`), handle: (c) => routes.refs(c) },
    { method: "GET", pattern: new RegExp(`${api}/revision/${REVISION}$`), handle: (c) => routes.info(c) },
    {
      method: "GET",
      pattern: new RegExp(`${api}/(?:commits|auth-check|compare|treesize)(?:/.*)?$`),
      handle: (c) => routes.pass(c),
    },
    { method: "GET", pattern: new RegExp(`${api}$`), handle: (c) => routes.info(c) },
    {
      method: "GET",
      pattern: /^\/api\/(?:whoami-v2|models|datasets|spaces|[a-z]+-tags-by-type)$/,
      handle: (c) => routes.pass(c),
    },
  ];
}

class MetadataRoutes {
  readonly #deps: MetadataDeps;

  constructor(deps: MetadataDeps) {
    this.#deps = deps;
  }

  /** What the Hub says of its own accord: nobody here could say it instead. */
  async pass(call: GatewayCall): Promise<void> {
    const { caller, signal } = call;
    const answer = await this.#deps.upstream.ask(
      { method: "GET", target: targetOf(call), authorization: caller.authorization },
      { signal },
    );
    this.#relay(call, answer);
  }

  async info(call: GatewayCall): Promise<void> {
    const { caller, params, query } = call;
    const repo = repoOf(params);
    const revision = revisionOf(params);
    const rest = params.revision === undefined ? "" : `/revision/${quote(revision)}`;
    const target = apiTarget(repo, rest, query.toString());
    const instead: Instead = async ({ commit }, table) => {
      const known = await this.#deps.visibility.find(repo);
      const { isPrivate, isGated } = known ?? { isPrivate: false, isGated: false };
      const withBlobs = isTrue(query.get("blobs"));
      sendJson(call, 200, infoOf(repo, commit, table, { withBlobs, isPrivate, isGated }), { "x-repo-commit": commit });
    };
    const answer = await this.#ask(call, { method: "GET", target }, { repo, revision, instead });
    if (answer === undefined) return;
    if (answer.status === 200) await this.#deps.access.note(caller, repo, revision, tryJson(answer.body));
    this.#relay(call, answer);
  }

  async tree(call: GatewayCall): Promise<void> {
    const { params, query } = call;
    const repo = repoOf(params);
    const revision = revisionOf(params);
    const folder = (params.path ?? "").replace(/^\/+|\/+$/g, "");
    const rest = `/tree/${quote(revision)}${folder === "" ? "" : `/${folder.split("/").map(quote).join("/")}`}`;
    const instead: Instead = (view, table) => this.#sendTree(call, view, table, folder);
    const request = { method: "GET", target: apiTarget(repo, rest, query.toString()) } as const;
    const answer = await this.#ask(call, request, { repo, revision, instead });
    if (answer !== undefined) this.#relay(call, answer);
  }

  async pathsInfo(call: GatewayCall): Promise<void> {
    const { params, request, query } = call;
    const repo = repoOf(params);
    const revision = revisionOf(params);
    const body = await readBody(request);
    const type = request.headers["content-type"];
    const paths = parsePaths(body, type);
    const instead: Instead = (_view, table) => sendJson(call, 200, describePaths(table, paths));
    const asked: Omit<HubRequest, "authorization"> = {
      method: "POST",
      target: apiTarget(repo, `/paths-info/${quote(revision)}`, query.toString()),
      headers: { "content-type": type ?? "application/x-www-form-urlencoded" },
      body,
    };
    const answer = await this.#ask(call, asked, { repo, revision, instead });
    if (answer !== undefined) this.#relay(call, answer);
  }

  async refs(call: GatewayCall): Promise<void> {
    const { params, query, caller } = call;
    const repo = repoOf(params);
    const target = apiTarget(repo, "/refs", query.toString());
    if ((await this.#deps.access.findOwn(repo, revisionOf({}))) !== undefined) {
      const { pullRequests: _, ...answer } = refsOf(await this.#deps.store.listRefs(repo));
      sendJson(call, 200, answer);
      return;
    }
    try {
      const request = { method: "GET", target, authorization: caller.authorization } as const;
      const known = await this.#deps.store.listRefs(repo);
      this.#relay(call, await this.#deps.upstream.ask(request, { canDoWithout: known.length > 0 }));
    } catch (error) {
      if (!isDown(error)) throw error;
      const refs = await this.#deps.store.listRefs(repo);
      if (refs.length === 0) throw gone(`nobody here knows ${repo.name}`, error);
      await this.#deps.access.checkOffline(caller, repo, error);
      const { pullRequests, ...answer } = refsOf(refs);
      sendJson(call, 200, isTrue(query.get("include_prs")) ? { ...answer, pullRequests } : answer);
    }
  }

  /** @returns the Hub's answer; `undefined` when the cache has answered instead */
  async #ask(
    call: GatewayCall,
    request: Omit<HubRequest, "authorization">,
    about: { readonly repo: RepoRef; readonly revision: Revision; readonly instead: Instead },
  ): Promise<HubAnswer | undefined> {
    const { caller, signal } = call;
    const { repo, revision, instead } = about;
    const { upstream, access, files } = this.#deps;
    const own = await access.findOwn(repo, revision);
    if (own !== undefined) {
      await instead(own, await files.table(caller, own));
      return undefined;
    }
    const canDoWithout = isCommitId(revision) && (await files.findTable(repo, revision)) !== undefined;
    try {
      const answer = await upstream.ask({ ...request, authorization: caller.authorization }, { signal, canDoWithout });
      if (answer.status === 401 || answer.status === 403 || answer.status === 404) {
        await access.refused(caller, repo, answer);
      }
      return answer;
    } catch (error) {
      if (!isDown(error)) throw error;
      const view = await access.look(caller, repo, revision);
      const table = await files.table(caller, view).catch((failure: unknown) => {
        throw isDown(failure)
          ? gone(`nobody here knows the files of ${repo.name} at ${view.commit}`, failure)
          : failure;
      });
      await instead(view, table);
      return undefined;
    }
  }

  #sendTree(call: GatewayCall, view: RepoView, table: FileTable, folder: string): void {
    const { query, baseUrl, path } = call;
    const entries = listTree(table, folder, isTrue(query.get("recursive")));
    if (entries.length === 0 && folder !== "") throw noEntry(view, folder);
    const limit = Math.min(Number(query.get("limit")) || PAGE_ENTRIES, PAGE_ENTRIES);
    const start = Math.max(0, Number(query.get("cursor")) || 0);
    const end = start + Math.max(1, limit);
    const next = new URLSearchParams(query);
    next.set("cursor", String(end));
    const link = end < entries.length ? { link: `<${baseUrl}${path}?${next}>; rel="next"` } : {};
    sendJson(call, 200, entries.slice(start, end), { ...link, "x-repo-commit": view.commit });
  }

  /** Sends on what the Hub said. */
  #relay(call: GatewayCall, answer: HubAnswer): void {
    const { status, fields, body } = answer;
    const link = rewriteLink(fields.link, this.#deps.endpoint, call.baseUrl);
    const code = status >= 400 ? codeOf(answer, fields["x-error-message"] ?? "") : undefined;
    const more = { ...(link === undefined ? {} : { link }), ...(code === undefined ? {} : { "x-error-code": code }) };
    const json = /\bjson\b/.test(fields["content-type"] ?? "") ? tryJson(body) : undefined;
    if (json !== undefined) {
      const { etag: _, ...headers } = passedHeaders(fields);
      sendJson(call, status, stripXet(json), { ...headers, ...more });
      return;
    }
    if (status >= 300 && status < 400) throw new HubError(502, "the Hub leads elsewhere for what only it can say");
    call.response.writeHead(status, { ...passedWithType(fields), ...more, "content-length": body.length });
    call.response.end(call.isHead ? undefined : body);
  }
}

/** As it was asked; the path has been looked at. */
function targetOf({ path, query }: GatewayCall): string {
  const search = query.toString();
  return search === "" ? path : `${path}?${search}`;
}

function isTrue(value: string | null): boolean {
  return value !== null && /^(?:true|1)$/i.test(value);
}

function tryJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
