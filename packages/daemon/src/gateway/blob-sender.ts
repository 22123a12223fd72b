/** Answers with a file: from the cache, or while it arrives. */
import { once } from "node:events";
import { type CommitId, formatRepo, type RepoFile, type RepoRef, type Revision, SwarmError } from "@swarmd/protocol";
import { streamArriving } from "./body-stream.js";
import { type FileHead, fileHead, type ServedFile } from "./file-head.js";
import { HubError, toHubError } from "./hub-error.js";
import { isDown } from "./patient-upstream.js";
import type { Demands, Focus, OpenFile, Outlets, RepoStore } from "./ports.js";
import { gone } from "./repo-access.js";
import type { GatewayCall } from "./route-table.js";

/** One file of a commit that the caller may have. */
export interface WantedFile {
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly commit: CommitId;
  readonly file: RepoFile;
  readonly isRestricted: boolean;
  /** The Hub is there to be asked: then it is worth waiting for. */
  readonly isHubUp: boolean;
}

export interface BlobSenderDeps {
  readonly store: RepoStore;
  readonly demands: Demands;
  readonly focus: Focus;
  readonly outlets: Outlets;
}

/** A reader's next bytes, which go first. */
const WINDOW_SHARDS = 4;
/** Without the Hub it is not sure that anybody has the file: so long a head is held back for the first byte, then it is 504. */
const FIRST_BYTE_MS = 8_000;
const MOST_LINKED = 10_000;

export class BlobSender {
  readonly #deps: BlobSenderDeps;
  /** Snapshot files that were seen to be linked. */
  readonly #linked = new Set<string>();

  constructor(deps: BlobSenderDeps) {
    this.#deps = deps;
  }

  /** @throws HubError 304 never; 416, 504; SwarmError for what could not be fetched, as long as no head was sent */
  async send(call: GatewayCall, wanted: WantedFile, served: ServedFile): Promise<void> {
    const head = fileHead(call, served);
    const { response, isHead } = call;
    const isEmpty = head.range.startBytes === head.range.endBytes;
    if (isHead || head.status === 304 || isEmpty) {
      response.writeHead(head.status, head.headers);
      response.end();
      return;
    }
    const { repo, file } = wanted;
    const held = await this.#deps.store.find(file.blob, { repo, sizeBytes: file.sizeBytes });
    const open = held && (await this.#deps.store.openWhole(held.path));
    if (open === undefined) return this.#sendArriving(call, wanted, head);
    const linking = this.#link(wanted);
    await this.#sendWhole(call, open, head);
    await linking;
  }

  async #sendWhole({ response, signal }: GatewayCall, file: OpenFile, head: FileHead): Promise<void> {
    const outlet = this.#deps.outlets.open(response, { signal });
    try {
      response.writeHead(head.status, head.headers);
      await outlet.send(file, head.range.startBytes, head.range.endBytes);
      response.end();
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      outlet.close();
      await file.close();
    }
  }

  async #sendArriving(call: GatewayCall, wanted: WantedFile, head: FileHead): Promise<void> {
    const { repo, commit, revision, file, isRestricted } = wanted;
    const token = isRestricted ? call.caller.authorization?.slice("Bearer ".length) : undefined;
    const demand = this.#deps.demands.take({ repo, commit, revision, file, isPrivate: isRestricted, token });
    // Whoever waits for it hears of a failure; nobody may be waiting.
    demand.done.catch(() => undefined);
    try {
      const open = await this.#openArriving(call, wanted, demand.done);
      try {
        await this.#stream(call, wanted, { open, head, done: demand.done });
      } finally {
        await open.close();
      }
    } catch (error) {
      if (!call.signal.aborted) throw isDown(error) ? lacking(wanted, error) : error;
    } finally {
      demand.release();
    }
  }

  /** The staging file, or what has become of it meanwhile. */
  async #openArriving({ signal }: GatewayCall, { repo, file }: WantedFile, done: Promise<void>): Promise<OpenFile> {
    const { store } = this.#deps;
    const either = new AbortController();
    const stop = AbortSignal.any([signal, either.signal]);
    try {
      const first = await Promise.race([store.whenOpen(file.blob, { signal: stop }), done]);
      const arriving = first === undefined ? undefined : await store.openArriving(first);
      if (arriving !== undefined) return arriving;
      // It was finished in this very moment, or lay there already.
      await done;
      const held = await store.find(file.blob, { repo, sizeBytes: file.sizeBytes });
      const whole = held && (await store.openWhole(held.path));
      if (whole !== undefined) return whole;
      throw new SwarmError("STORE_FAULT", `${file.path} of ${formatRepo(repo)} vanished from the cache`);
    } finally {
      either.abort();
    }
  }

  async #stream(
    { response, signal }: GatewayCall,
    wanted: WantedFile,
    source: { readonly open: OpenFile; readonly head: FileHead; readonly done: Promise<void> },
  ): Promise<void> {
    const { open, head, done } = source;
    const { range } = head;
    const { blob } = wanted.file;
    const windowBytes = WINDOW_SHARDS * open.shardBytes;
    let focusedUpTo = range.startBytes;
    const onPosition = (at: number) => {
      // Again for every second shard, so that the window moves ahead of the reader.
      if (at < focusedUpTo - windowBytes / 2) return;
      focusedUpTo = Math.min(range.endBytes, at + windowBytes);
      if (at < focusedUpTo) this.#deps.focus.focus(blob, at, focusedUpTo);
    };
    onPosition(range.startBytes);
    if (!wanted.isHubUp) await firstByte(open, range.startBytes, done, signal);
    const outlet = this.#deps.outlets.open(response, { signal });
    try {
      response.writeHead(head.status, head.headers);
      // The caller learns at once that it will be served.
      response.flushHeaders();
      await streamArriving({ file: open, range, outlet, done, onPosition, signal });
      response.end();
    } finally {
      outlet.close();
    }
  }

  /** As after a pull: what was asked for stands in the snapshot, so that other tools find it. */
  async #link({ repo, commit, revision, file }: WantedFile): Promise<void> {
    const { path, blob } = file;
    const key = `${formatRepo(repo)} ${commit} ${revision} ${path}`;
    if (this.#linked.has(key)) return;
    try {
      await this.#deps.store.link({ repo, commit, path, blob }, { signal: NEVER });
      await this.#deps.store.writeRef(repo, revision, commit);
      this.#linked.add(key);
      if (this.#linked.size > MOST_LINKED) this.#linked.clear();
    } catch {
      // The answer does not need it.
    }
  }
}

const NEVER = new AbortController().signal;

/** @throws HubError 504 when none comes in time; what `done` rejects with */
async function firstByte(open: OpenFile, at: number, done: Promise<void>, signal: AbortSignal): Promise<void> {
  if (open.servableUpTo(at) > at) return;
  const late = AbortSignal.any([signal, AbortSignal.timeout(FIRST_BYTE_MS)]);
  let stopListening = () => {};
  const risen = new Promise<void>((resolve) => {
    stopListening = open.onRise(() => open.servableUpTo(at) > at && resolve());
  });
  try {
    await Promise.race([risen, done, once(late, "abort")]);
  } finally {
    stopListening();
  }
  if (open.servableUpTo(at) > at || !late.aborted) return;
  throw new HubError(504, "nobody here has these bytes, and the Hub can't be asked for them now");
}

function lacking({ repo, file }: WantedFile, error: SwarmError): HubError {
  const { status, headers } = toHubError(error);
  if (status === 429) return toHubError(error);
  return new HubError(504, gone(`${file.path} of ${formatRepo(repo)} is not here`, error).message, {
    headers,
    cause: error,
  });
}
