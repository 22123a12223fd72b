/** Answers with a file: from the cache, or while it arrives. */
import { once } from "node:events";
import {
  type BlobId,
  type CommitId,
  formatRepo,
  type RepoFile,
  type RepoRef,
  type Revision,
  SHARD_BYTES,
  SwarmError,
} from "@swarmd/protocol";
import { streamArriving } from "./body-stream.js";
import type { ByteRange } from "./byte-ranges.js";
import { type FileHead, fileHead, type ServedFile } from "./file-head.js";
import { HubError } from "./hub-error.js";
import { isDown } from "./patient-upstream.js";
import type { Demands, Focus, OpenFile, Outlets, RepoStore, Uses } from "./ports.js";
import { gone } from "./repo-access.js";
import type { GatewayCall } from "./route-table.js";

/** One file of a commit that the caller may have. */
export interface WantedFile {
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly commit: CommitId;
  readonly file: RepoFile;
  readonly isRestricted: boolean;
  /** No origin has it. */
  readonly isOwn: boolean;
  /** The Hub was there to be asked about this very request. */
  readonly isHubUp: boolean;
}

export interface BlobSenderDeps {
  readonly store: RepoStore;
  readonly demands: Demands;
  readonly focus: Focus;
  readonly uses: Uses;
  readonly outlets: Outlets;
  /** Asks the Hub for a file's head. @returns whether it answered, with whatever */
  readonly isHubThere: (wanted: WantedFile, call: GatewayCall) => Promise<boolean>;
}

/** A reader's next bytes, which go first. */
const WINDOW_SHARDS = 2;
/** When nothing came for so long, it is asked whether the Hub, which was there a moment ago, still is: if so the head goes out. */
const PROMPT_MS = 500;
/** Without the Hub it is not sure that anybody has the file: so long the head is held back for the first byte, then it is 504. */
const FIRST_BYTE_MS = 8_000;
const MOST_LINKED = 10_000;
const MOST_TAINTED = 1_000;

export class BlobSender {
  readonly #deps: BlobSenderDeps;
  /** Snapshot files that were seen to be linked. */
  readonly #linked = new Set<string>();
  /** Files of which something was sent that proved wrong. */
  readonly #tainted = new Set<BlobId>();

  constructor(deps: BlobSenderDeps) {
    this.#deps = deps;
  }

  /** @throws HubError 304 never; 416, 504; SwarmError for what could not be fetched, as long as no head was sent */
  async send(call: GatewayCall, wanted: WantedFile, served: ServedFile): Promise<void> {
    const head = fileHead(call, { ...served, isTainted: this.#tainted.has(served.blob) });
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
    if (open === undefined) return this.#sendArriving(call, wanted, head, [head.range]);
    this.#deps.uses.noteUse(repo, wanted.commit);
    const linking = this.#link(wanted);
    await this.#sendWhole(call, open, head);
    await linking;
  }

  /** A body that is made of stretches of a file and of other bytes, in order. @throws as {@link send} */
  async sendParts(
    call: GatewayCall,
    wanted: WantedFile,
    head: Pick<FileHead, "status" | "headers">,
    parts: Iterable<Buffer | ByteRange>,
  ): Promise<void> {
    if (call.isHead) {
      call.response.writeHead(head.status, head.headers);
      call.response.end();
      return;
    }
    const { repo, file } = wanted;
    const held = await this.#deps.store.find(file.blob, { repo, sizeBytes: file.sizeBytes });
    const open = held && (await this.#deps.store.openWhole(held.path));
    if (open === undefined) return this.#sendArriving(call, wanted, head, parts);
    this.#deps.uses.noteUse(repo, wanted.commit);
    const outlet = this.#deps.outlets.open(call.response, call);
    try {
      call.response.writeHead(head.status, head.headers);
      for (const part of parts) {
        if (Buffer.isBuffer(part)) call.response.write(part);
        else await outlet.send(open, part.startBytes, part.endBytes);
      }
      call.response.end();
    } catch (error) {
      if (!call.signal.aborted) throw error;
    } finally {
      outlet.close();
      await open.close();
    }
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

  async #sendArriving(
    call: GatewayCall,
    wanted: WantedFile,
    head: Pick<FileHead, "status" | "headers">,
    parts: Iterable<Buffer | ByteRange>,
  ): Promise<void> {
    const { repo, commit, revision, file, isRestricted, isOwn } = wanted;
    const token = isRestricted ? call.caller.authorization?.slice("Bearer ".length) : undefined;
    const demand = this.#deps.demands.take({ repo, commit, revision, file, isPrivate: isRestricted, isOwn, token });
    // Whoever waits for it hears of a failure; nobody may be waiting.
    demand.done.catch(() => undefined);
    // Before the first request goes out, so that it is the right one.
    const [first] = [...parts].filter((part): part is ByteRange => !Buffer.isBuffer(part));
    if (first !== undefined) {
      const upTo = Math.min(first.endBytes, first.startBytes + WINDOW_SHARDS * SHARD_BYTES);
      this.#deps.focus.focus(file.blob, first.startBytes, upTo);
    }
    try {
      const open = await this.#openArriving(call, wanted, demand.done);
      try {
        await this.#stream(call, wanted, { open, head, parts: [...parts], done: demand.done });
      } finally {
        await open.close();
      }
    } catch (error) {
      if (error instanceof SwarmError && error.code === "INTEGRITY") this.#taint(file.blob);
      if (!call.signal.aborted) throw isDown(error) ? lacking(wanted, error) : error;
    } finally {
      demand.release();
    }
  }

  #taint(blob: BlobId): void {
    if (this.#tainted.size === MOST_TAINTED) this.#tainted.clear();
    this.#tainted.add(blob);
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
    call: GatewayCall,
    wanted: WantedFile,
    source: {
      readonly open: OpenFile;
      readonly head: Pick<FileHead, "status" | "headers">;
      readonly parts: readonly (Buffer | ByteRange)[];
      readonly done: Promise<void>;
    },
  ): Promise<void> {
    const { response, signal } = call;
    const { open, head, parts, done } = source;
    const ranges = parts.filter((part): part is ByteRange => !Buffer.isBuffer(part));
    const range = { startBytes: ranges[0]?.startBytes ?? 0, endBytes: ranges.at(-1)?.endBytes ?? 0 };
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
    await this.#waitForPromise(call, wanted, () => open.servableUpTo(range.startBytes) > range.startBytes, source);
    const outlet = this.#deps.outlets.open(response, { signal });
    try {
      response.writeHead(head.status, head.headers);
      // The caller learns at once that it will be served.
      response.flushHeaders();
      for (const part of parts) {
        if (Buffer.isBuffer(part)) response.write(part);
        else await streamArriving({ file: open, range: part, outlet, done, onPosition, signal });
      }
      response.end();
    } finally {
      outlet.close();
    }
  }

  /** Until a head can be sent that will be kept. @throws HubError 504; what `done` rejects with */
  async #waitForPromise(
    call: GatewayCall,
    wanted: WantedFile,
    isThere: () => boolean,
    source: { readonly open: OpenFile; readonly done: Promise<void> },
  ): Promise<void> {
    const { signal } = call;
    if (wanted.isHubUp) {
      if (await hasFirstByte(PROMPT_MS, isThere, source, signal)) return;
      if (signal.aborted || (await this.#deps.isHubThere(wanted, call))) return;
    }
    if ((await hasFirstByte(FIRST_BYTE_MS - PROMPT_MS, isThere, source, signal)) || signal.aborted) return;
    throw new HubError(504, `nobody here has ${wanted.file.path}, and the Hub can't be asked for it now`);
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

/** @returns whether the first byte is there; `false` when it did not come in time. @throws what `done` rejects with */
async function hasFirstByte(
  withinMs: number,
  isThere: () => boolean,
  { open, done }: { readonly open: OpenFile; readonly done: Promise<void> },
  signal: AbortSignal,
): Promise<boolean> {
  if (isThere()) return true;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), withinMs);
  const either = AbortSignal.any([signal, late.signal]);
  let stopListening = () => {};
  const risen = new Promise<void>((resolve) => {
    stopListening = open.onRise(() => isThere() && resolve());
  });
  try {
    await Promise.race([risen, done, once(either, "abort")]);
    return !either.aborted;
  } finally {
    clearTimeout(timer);
    stopListening();
  }
}

function lacking({ repo, file }: WantedFile, error: SwarmError): HubError {
  return gone(`${file.path} of ${formatRepo(repo)} is not here`, error);
}
