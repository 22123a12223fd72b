/**
 * What a caller may see: asked of the Hub with the caller's own token, and remembered for a short while. While the Hub can't be asked, what
 * it said before counts.
 */
import { type CommitId, formatRepo, isCommitId, type RepoRef, type Revision, SwarmError } from "@swarmd/protocol";
import type { Caller } from "./caller.js";
import { ExpiringMap, SingleFlight } from "./expiring-map.js";
import { HubError, toHubError } from "./hub-error.js";
import { isDown, type PatientUpstream } from "./patient-upstream.js";
import type { HubAnswer, Members, OwnRepos, RepoStore, Visibility } from "./ports.js";
import { refusalOf } from "./refusal.js";
import { apiTarget, fileTarget, quote } from "./repo-address.js";

/** A repo at a revision, as one caller may see it. */
export interface RepoView {
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly commit: CommitId;
  /** Private or gated: not for everybody. */
  readonly isRestricted: boolean;
  /** No origin has it: it belongs to the swarm. */
  readonly isOwn: boolean;
  /** `cache`: the Hub could not be asked, or has nothing to say. */
  readonly source: "hub" | "cache";
}

export interface RepoAccessOptions {
  /** The {@link Caller.key} of the node's own token: what lies in the cache of a user is his to read. */
  readonly ownKey: string | undefined;
}

export interface RepoAccessDeps {
  readonly upstream: PatientUpstream;
  readonly store: Pick<RepoStore, "readRef" | "readTree">;
  readonly visibility: Visibility;
  readonly members: Members;
  readonly own: OwnRepos;
  readonly nowMs: () => number;
}

/** A branch may move at any time; within this time two questions of one program see the same commit. */
const REVISION_MS = 10_000;
/** How long access is believed in, once granted. */
const GRANT_MS = 60_000;
const MOST_ENTRIES = 10_000;
/** They are near, or not there. */
const MEMBERS_MS = 3_000;

export class RepoAccess {
  readonly #options: RepoAccessOptions;
  readonly #deps: RepoAccessDeps;
  readonly #views: ExpiringMap<RepoView>;
  /** Repo and caller: what the Hub lately let this one see, at whatever revision. */
  readonly #seen: ExpiringMap<{ readonly isRestricted: boolean }>;
  readonly #files: ExpiringMap<true>;
  /** Who was given something of a repo in this run: counts while the Hub can't be asked. */
  readonly #granted = new Set<string>();
  readonly #flights = new SingleFlight<RepoView>();

  constructor(options: RepoAccessOptions, deps: RepoAccessDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#views = new ExpiringMap({ most: MOST_ENTRIES }, deps);
    this.#seen = new ExpiringMap({ most: MOST_ENTRIES }, deps);
    this.#files = new ExpiringMap({ most: MOST_ENTRIES }, deps);
  }

  /**
   * What a revision is, for this caller.
   *
   * @throws HubError as the Hub refused it; 504 when nobody can say
   */
  async look(caller: Caller, repo: RepoRef, revision: Revision): Promise<RepoView> {
    const own = await this.findOwn(repo, revision);
    if (own !== undefined) return own;
    const key = `${keyOf(caller, repo)} ${revision}`;
    const known = this.#views.get(key) ?? (await this.#findByCommit(caller, repo, revision));
    if (known !== undefined) return known;
    return this.#flights.run(key, () => this.#ask(caller, repo, revision));
  }

  /** A repo of the swarm's own, which everybody may read who may ask here. */
  async findOwn(repo: RepoRef, revision: Revision): Promise<RepoView | undefined> {
    const commit = await this.#deps.own.find(repo, revision);
    return commit && { repo, revision, commit, isRestricted: false, isOwn: true, source: "cache" };
  }

  /** Whether this caller may have the bytes of a file. @throws HubError as the Hub refused it */
  async checkFile(caller: Caller, view: RepoView, path: string): Promise<void> {
    if (!view.isRestricted || view.source === "cache") return;
    const { repo, commit } = view;
    const key = `${keyOf(caller, repo)} ${commit} ${path}`;
    if (this.#files.get(key)) return;
    const target = fileTarget(repo, "resolve", commit, path);
    let answer: HubAnswer;
    try {
      answer = await this.#deps.upstream.ask({ method: "HEAD", target, authorization: caller.authorization });
    } catch (error) {
      if (!isDown(error)) throw error;
      return this.checkOffline(caller, repo, error);
    }
    if (answer.status >= 400) {
      if (answer.status !== 404) this.#granted.delete(keyOf(caller, repo));
      throw refusalOf(answer, `${path} of ${formatRepo(repo)}`);
    }
    this.#files.set(key, true, GRANT_MS);
    this.#grant(caller, repo);
  }

  /** Whether the Hub is there when it is asked for a file, whatever it says. One that takes its time is. */
  async isHubThere(
    {
      repo,
      commit,
      file,
    }: { readonly repo: RepoRef; readonly commit: CommitId; readonly file: { readonly path: string } },
    { authorization }: Caller,
  ): Promise<boolean> {
    const target = fileTarget(repo, "resolve", commit, file.path);
    return this.#deps.upstream.ask({ method: "HEAD", target, authorization }).then(
      () => true,
      (error) => error instanceof SwarmError && error.code === "ORIGIN_STALLED",
    );
  }

  /** An answer of the Hub's that was passed on says the same as one that we had asked for. */
  async note(caller: Caller, repo: RepoRef, revision: Revision, info: unknown): Promise<RepoView | undefined> {
    const { sha, private: isPrivate, gated } = (info ?? {}) as { sha?: unknown; private?: unknown; gated?: unknown };
    if (typeof sha !== "string" || !isCommitId(sha)) return undefined;
    const said = { isPrivate: isPrivate === true, isGated: Boolean(gated) };
    await this.#deps.visibility.note(repo, said);
    const isRestricted = said.isPrivate || said.isGated;
    const view: RepoView = { repo, revision, commit: sha, isRestricted, isOwn: false, source: "hub" };
    this.#views.set(`${keyOf(caller, repo)} ${revision}`, view, isCommitId(revision) ? GRANT_MS : REVISION_MS);
    this.#seen.set(keyOf(caller, repo), { isRestricted }, GRANT_MS);
    // Who is shown a private repo is let into it; a gate is shown to everybody.
    if (said.isPrivate && !said.isGated) this.#grant(caller, repo);
    return view;
  }

  /**
   * For answers from the cache while the Hub can't be asked.
   *
   * @throws HubError 504 where it can't be told whether this caller may see the repo
   */
  async checkOffline(caller: Caller, repo: RepoRef, error: SwarmError): Promise<void> {
    if (await this.#mayReadOffline(caller, repo)) return;
    throw gone(`whether you may read ${formatRepo(repo)} can't be asked now`, error);
  }

  /** A commit never changes: only who may see it is a question. */
  async #findByCommit(caller: Caller, repo: RepoRef, revision: Revision): Promise<RepoView | undefined> {
    if (!isCommitId(revision)) return undefined;
    const commit: CommitId = revision;
    const seen = this.#seen.get(keyOf(caller, repo));
    if (seen === undefined || (await this.#deps.store.readTree(repo, commit)) === undefined) return undefined;
    const view: RepoView = { repo, revision, commit, isRestricted: seen.isRestricted, isOwn: false, source: "hub" };
    this.#views.set(`${keyOf(caller, repo)} ${revision}`, view, REVISION_MS);
    return view;
  }

  async #ask(caller: Caller, repo: RepoRef, revision: Revision): Promise<RepoView> {
    const canDoWithout = (await this.#findCommit(repo, revision)) !== undefined;
    const target = apiTarget(repo, `/revision/${quote(revision)}`);
    const request = { method: "GET", target, authorization: caller.authorization } as const;
    let answer: HubAnswer;
    try {
      answer = await this.#deps.upstream.ask(request, { canDoWithout });
    } catch (error) {
      if (!isDown(error)) throw error;
      return this.#lookOffline(caller, repo, revision, error);
    }
    if (answer.status !== 200) {
      await this.refused(caller, repo, answer);
      throw refusalOf(answer, formatRepo(repo));
    }
    const view = await this.note(caller, repo, revision, parseJson(answer.body));
    if (view === undefined) throw new HubError(502, `the Hub names no commit of ${formatRepo(repo)}`);
    return view;
  }

  /** The Hub said no to a caller: what was believed of this one goes, and the repo is not public if it said so to everybody. */
  async refused(caller: Caller, repo: RepoRef, answer: HubAnswer): Promise<void> {
    const code = answer.fields["x-error-code"];
    if (code === "RevisionNotFound" || code === "EntryNotFound") return;
    this.#granted.delete(keyOf(caller, repo));
    this.#seen.delete(keyOf(caller, repo));
    if (caller.authorization === undefined) await this.#deps.visibility.note(repo, undefined);
  }

  async #lookOffline(caller: Caller, repo: RepoRef, revision: Revision, error: SwarmError): Promise<RepoView> {
    const commit = await this.#findCommit(repo, revision);
    const said = commit === undefined ? await this.#askMembers(repo, revision) : undefined;
    if (commit === undefined && said === undefined)
      throw gone(`nobody here knows ${formatRepo(repo)}@${revision}`, error);
    const known = await this.#deps.visibility.find(repo);
    // A member tells what the Hub told it, so a repo that it calls public is.
    if (known !== undefined || said?.isPrivate !== false) await this.checkOffline(caller, repo, error);
    const isRestricted = known === undefined ? said?.isPrivate !== false : known.isPrivate || known.isGated;
    return {
      repo,
      revision,
      commit: (commit ?? said?.commit) as CommitId,
      isRestricted,
      isOwn: false,
      source: "cache",
    };
  }

  async #askMembers(repo: RepoRef, revision: Revision) {
    const { members } = this.#deps;
    if (!members.areThere) return undefined;
    return members.resolve(repo, revision, { signal: AbortSignal.timeout(MEMBERS_MS) }).catch(() => undefined);
  }

  async #findCommit(repo: RepoRef, revision: Revision): Promise<CommitId | undefined> {
    return isCommitId(revision) ? revision : this.#deps.store.readRef(repo, revision);
  }

  async #mayReadOffline(caller: Caller, repo: RepoRef): Promise<boolean> {
    const known = await this.#deps.visibility.find(repo);
    if (known !== undefined && !known.isPrivate && !known.isGated) return true;
    if (this.#granted.has(keyOf(caller, repo))) return true;
    const { ownKey } = this.#options;
    // Of a repo of which the Hub never said anything here: a user without a token has only public ones.
    if (ownKey === undefined) return known === undefined;
    return caller.key === ownKey;
  }

  #grant(caller: Caller, repo: RepoRef): void {
    this.#granted.add(keyOf(caller, repo));
    if (this.#granted.size > MOST_ENTRIES) this.#granted.delete(this.#granted.values().next().value as string);
  }
}

function keyOf(caller: Caller, repo: RepoRef): string {
  return `${caller.key} ${formatRepo(repo)}`;
}

/** Never 401 or 404: clients would take that for the Hub's word. */
export function gone(what: string, cause: SwarmError): HubError {
  // "Not now" is an answer of the Hub's, and says when to come back.
  if (cause.code === "ORIGIN_BUSY") return toHubError(cause);
  const why = cause.hint === undefined ? cause.message : `${cause.message}. ${cause.hint}`;
  return new HubError(504, `${what}: ${why}`, { cause });
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw new HubError(502, "the Hub answered with something that is not JSON", { cause });
  }
}
