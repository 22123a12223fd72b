/** A Hugging Face Hub: what a revision is, and which files it has. Two requests and one per further 1,000 files; never one per file. */
import {
  type CommitId,
  isCommitId,
  type RepoFile,
  type RepoManifest,
  type RepoRef,
  type Revision,
  SwarmError,
} from "@swarmd/protocol";
import { fetchJson, type JsonAnswer } from "./fetch-json.js";
import { parseLinkNext } from "./header-fields.js";
import { explainHubRefusal, gated, type HubRequest } from "./hub-faults.js";
import { parseTreePage, type TreePage } from "./hub-tree.js";
import { repoInfoUrl, treeUrl } from "./hub-urls.js";
import type { OriginDeps, OriginHttp } from "./origin-http.js";
import { type OriginUrl, showUrl } from "./origin-url.js";

export interface HubOptions {
  /** Without a trailing slash. */
  readonly endpoint: string;
  readonly token: string | undefined;
}

/** What a revision is at this moment. */
export interface ResolvedRevision {
  readonly commit: CommitId;
  readonly isPrivate: boolean;
  /** Its owner wants terms accepted; its bytes are not for everybody. */
  readonly isGated: boolean;
}

export type HubManifest = RepoManifest & Omit<ResolvedRevision, "commit">;

/** The answer lists every file name once; the largest repos have some 100,000 files. */
const MAX_INFO_BYTES = 64 * 1024 * 1024;
/** A page has 1,000 entries of some 300 bytes. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** A million files: ten times what the Hub recommends for a repo. */
const MAX_PAGES = 1_000;

export class HubOrigin {
  readonly #options: HubOptions;
  readonly #http: OriginHttp;

  constructor(options: HubOptions, deps: OriginDeps) {
    this.#options = options;
    this.#http = deps.http;
  }

  /** Commit and files of a revision. @throws SwarmError like {@link HubOrigin.resolve} and {@link HubOrigin.tree} */
  async manifest(repo: RepoRef, revision: Revision, options: { readonly signal: AbortSignal }): Promise<HubManifest> {
    const resolved = await this.resolve(repo, revision, options);
    const files = await this.tree(repo, resolved.commit, options);
    return { ...resolved, repo, revision, files };
  }

  /**
   * What a branch, tag, ref or commit is at this moment.
   *
   * @throws SwarmError REPO_NOT_FOUND, REVISION_NOT_FOUND, ACCESS_DENIED, ACCESS_GATED, and what {@link fetchJson} throws
   */
  async resolve(
    repo: RepoRef,
    revision: Revision,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<ResolvedRevision> {
    const url = repoInfoUrl(this.#options.endpoint, repo, revision);
    const explain = this.#explainer(repo, revision);
    const { json } = await fetchJson(this.#http, this.#withToken(url), { signal, explain, maxBytes: MAX_INFO_BYTES });
    const info = (json ?? {}) as { sha?: unknown; private?: unknown; gated?: unknown };
    if (typeof info.sha !== "string" || !isCommitId(info.sha)) {
      throw new SwarmError("ORIGIN_FAULT", `${showUrl(url)} names no commit`, {
        hint: "Check HF_ENDPOINT if you set it: the address has to be a Hugging Face Hub or a mirror of one.",
      });
    }
    // `gated` is false, "auto" or "manual". What a mirror leaves out counts as open, as the file list could be read.
    return { commit: info.sha, isPrivate: info.private === true, isGated: Boolean(info.gated) };
  }

  /**
   * All files of a commit, with size and digest of each.
   *
   * @throws SwarmError REVISION_NOT_FOUND, ACCESS_GATED where the Hub hides the digests, and what {@link fetchJson} throws
   */
  async tree(
    repo: RepoRef,
    commit: CommitId,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<readonly RepoFile[]> {
    const files = new Map<string, RepoFile>();
    const explain = this.#explainer(repo, commit);
    let next: URL | undefined = treeUrl(this.#options.endpoint, repo, commit);
    for (let pages = 0; next !== undefined; pages++) {
      if (pages === MAX_PAGES)
        throw new SwarmError("ORIGIN_FAULT", `${showUrl(next)} has more than ${MAX_PAGES} pages`);
      const answer: JsonAnswer = await fetchJson(this.#http, this.#withToken(next), {
        signal,
        explain,
        maxBytes: MAX_PAGE_BYTES,
      });
      const page: TreePage = parseTreePage(answer.json);
      if (page.isHidden) throw gated(this.#request(repo, commit));
      for (const file of page.files) addOnce(files, file);
      next = nextPage(answer);
    }
    return [...files.values()];
  }

  #explainer(repo: RepoRef, revision: string) {
    return (head: JsonAnswer["head"]) => explainHubRefusal(head, this.#request(repo, revision));
  }

  #request(repo: RepoRef, revision: string): HubRequest {
    const { endpoint, token } = this.#options;
    return { repo, revision, endpoint, hasToken: token !== undefined };
  }

  #withToken(url: URL): OriginUrl {
    const { endpoint, token } = this.#options;
    // A page may have been redirected away, and its next one with it.
    const isOurs = url.origin === new URL(endpoint).origin;
    return token === undefined || !isOurs ? { url } : { url, authorization: `Bearer ${token}` };
  }
}

function addOnce(files: Map<string, RepoFile>, file: RepoFile): void {
  if (files.has(file.path)) {
    throw new SwarmError("ORIGIN_FAULT", `the origin's file list names ${JSON.stringify(file.path)} twice`);
  }
  files.set(file.path, file);
}

/** Only where this one was: a file list in pieces from several hosts is none. */
function nextPage({ head, url }: JsonAnswer): URL | undefined {
  const link = parseLinkNext(head.fields.link);
  if (link === undefined) return undefined;
  const next = URL.canParse(link, url.href) ? new URL(link, url) : undefined;
  if (next?.origin === url.origin) return next;
  throw new SwarmError("ORIGIN_FAULT", `the next page of ${showUrl(url)} is on another host`, {
    hint: "A mirror has to rewrite the Link header; use another one, or huggingface.co itself.",
  });
}
