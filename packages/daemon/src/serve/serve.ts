/**
 * *Purpose*: answers peers that ask for bytes, whatever lane they came by. *In*: requests of known peers, the engine's verdicts,
 * orders to break off. *Out*: refusals, streams of bytes up to the watermark and on as it rises, `served` for each, counts.
 * *Never*: decides who gets a slot, sends a byte that is not written yet, or changes a file.
 */
import { type BlobId, type NodeId, SwarmError, shardAt, shardEnd, toSwarmError } from "@swarmd/protocol";
import type {
  Admit,
  Asked,
  LaneOutlet,
  LaneRefusal,
  LaneRequest,
  LaneService,
  OpenBlob,
  SendLimit,
  ShardReader,
  Verdict,
} from "./ports.js";
import { SendBuffers } from "./send-buffers.js";
import { sendRange } from "./send-range.js";

export interface ServeOptions {
  /** One read and one write of an upload; two of them are its memory. */
  readonly bufferBytes?: number;
  readonly idleMs?: number;
  /** The name of the first request: a node that starts anew to serve may not use names twice. */
  readonly firstRequest?: number;
}

export interface ServeDeps {
  readonly admit: Admit;
  readonly reader: ShardReader;
  readonly limit?: SendLimit;
}

/** An upload under way, for `swarm top` and for whoever wants to remove the blob. */
export interface UploadView {
  readonly request: number;
  readonly peer: NodeId;
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
  readonly sentBytes: number;
}

/** A request of a peer; `request` is what the engine calls the shard of it that is being sent now. */
interface Upload {
  request: number;
  shard: number;
  readonly asked: LaneRequest;
  readonly range: { readonly startBytes: number; readonly endBytes: number };
  readonly blob: OpenBlob;
  readonly stop: AbortController;
  sentBytes: number;
}

const BUFFER_BYTES = 1024 * 1024;
const KEPT_BUFFERS = 8;
const IDLE_MS = 30_000;
/** A busy node frees slots within moments; see the engine's own back-off. */
const RETRY_BUSY_MS = 1_000;
/** Who was cut off for wrong bytes asks at once why; after that nobody will. */
const MOST_TAINTED = 1024;

export class Serve {
  readonly name = "serve";
  readonly #opts: Required<Omit<ServeOptions, "firstRequest">>;
  readonly #deps: ServeDeps;
  readonly #buffers: SendBuffers;
  readonly #uploads = new Map<number, Upload>();
  /** Requests that wait for their turn or have a slot. */
  readonly #open = new Set<number>();
  readonly #sentBytes = new Map<NodeId, Map<string | undefined, number>>();
  /** Requests that were broken off because their bytes proved wrong, as `peer blob shard`; the oldest first. */
  readonly #tainted = new Set<string>();
  #nextRequest: number;
  #isStopped = false;

  constructor(opts: ServeOptions, deps: ServeDeps) {
    this.#opts = { bufferBytes: BUFFER_BYTES, idleMs: IDLE_MS, ...opts };
    this.#deps = deps;
    this.#nextRequest = opts.firstRequest ?? 1;
    this.#buffers = new SendBuffers(this.#opts.bufferBytes, KEPT_BUFFERS);
  }

  /** What is being sent now. */
  uploads(): readonly UploadView[] {
    return [...this.#uploads.values()].map(({ request, asked, range, sentBytes }) => {
      return { request, peer: asked.peer, blob: asked.blob, ...range, sentBytes };
    });
  }

  /** Whether somebody is reading this blob now: it should not be removed. */
  isServing(blob: BlobId): boolean {
    return [...this.#uploads.values()].some(({ asked }) => asked.blob === blob);
  }

  /** Bytes sent to a peer since the start, by the address it asked from; `undefined` stands for its libp2p connection. */
  sentBytesTo(peer: NodeId): ReadonlyMap<string | undefined, number> {
    return this.#sentBytes.get(peer) ?? new Map();
  }

  /** Answers one request; never throws. An abort says that the asker left: if it waits for its turn, it waits no longer. */
  async handle(asked: LaneRequest, { signal }: { readonly signal: AbortSignal }): Promise<LaneRefusal | LaneService> {
    if (this.#isStopped) return refusal("PEER_BUSY", "the node is stopping");
    let blob: OpenBlob | undefined;
    try {
      blob = await this.#deps.reader.open(asked.blob);
      const answer = await this.#answer(asked, blob, signal);
      if (answer.kind === "refuse") await blob?.close();
      return answer;
    } catch (error) {
      await blob?.close();
      return refusal("PEER_BUSY", toSwarmError(error).message, { retryAfterMs: RETRY_BUSY_MS });
    }
  }

  /** Breaks an upload off because its bytes proved wrong. One that is over is left alone. */
  stopServing(request: number): void {
    const upload = this.#uploads.get(request);
    if (upload === undefined) return;
    this.#tainted.add(taintKey(upload.asked, upload.shard));
    if (this.#tainted.size > MOST_TAINTED) this.#tainted.delete(this.#tainted.values().next().value as string);
    upload.stop.abort(new SwarmError("PEER_TAINTED", `what was sent of ${upload.asked.blob} proved wrong`));
  }

  /** Breaks everything off. */
  stop(): void {
    this.#isStopped = true;
    for (const { stop } of this.#uploads.values()) stop.abort(new SwarmError("INTERRUPTED", "the node is stopping"));
  }

  async #answer(
    asked: LaneRequest,
    blob: OpenBlob | undefined,
    signal: AbortSignal,
  ): Promise<LaneRefusal | LaneService> {
    const { peer, startBytes } = asked;
    // An engine that never heard of the blob may still know who has it.
    const endBytes = asked.endBytes ?? blob?.sizeBytes ?? 0;
    const isOutside = blob !== undefined && (startBytes >= blob.sizeBytes || endBytes > blob.sizeBytes);
    const shard = blob === undefined || isOutside ? 0 : shardAt(startBytes, blob.shardBytes);
    if (this.#tainted.delete(taintKey(asked, shard))) {
      return refusal("PEER_TAINTED", "what was sent of this shard before proved wrong: forget it");
    }
    const request = this.#nextRequest++;
    const from = isOutside ? 0 : startBytes;
    const verdict = await this.#admit({ request, peer, blob: asked.blob, shard, startBytes: from }, signal);
    if (verdict.kind === "refuse") {
      const busy = verdict.code === "PEER_BUSY" ? { retryAfterMs: RETRY_BUSY_MS } : {};
      return refusal(verdict.code, MESSAGES[verdict.code], { redirect: verdict.redirect, ...busy });
    }
    if (blob === undefined) {
      this.#giveBack(request);
      return refusal("PEER_LACKS", MESSAGES.PEER_LACKS);
    }
    // Only now: the size of a blob is for those who may have it.
    if (isOutside) {
      this.#giveBack(request);
      const message = `the range ends beyond the blob, which has ${blob.sizeBytes} bytes`;
      return refusal("PEER_FAULT", message, { sizeBytes: blob.sizeBytes });
    }
    return this.#serve({
      request,
      shard,
      asked,
      range: { startBytes, endBytes },
      blob,
      stop: new AbortController(),
      sentBytes: 0,
    });
  }

  /** Waits for the engine's word, and tells it at once if the asker leaves meanwhile. */
  async #admit(asked: Asked, signal: AbortSignal): Promise<Verdict> {
    if (signal.aborted) return { kind: "refuse", code: "PEER_BUSY", redirect: [] };
    const leave = () => this.#giveBack(asked.request);
    signal.addEventListener("abort", leave, { once: true });
    this.#open.add(asked.request);
    try {
      const verdict = await this.#deps.admit.ask(asked);
      if (verdict.kind === "refuse") this.#open.delete(asked.request);
      return verdict;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Once per request, whoever notices first that it is over. */
  #giveBack(request: number): void {
    if (this.#open.delete(request)) this.#deps.admit.served(request);
  }

  #serve(upload: Upload): LaneService {
    this.#uploads.set(upload.request, upload);
    return {
      kind: "serve",
      sizeBytes: upload.blob.sizeBytes,
      ...upload.range,
      send: (outlet, { signal }) => this.#send(upload, outlet, signal),
    };
  }

  #countSent({ peer, fromHost }: LaneRequest, bytes: number): void {
    let byHost = this.#sentBytes.get(peer);
    if (byHost === undefined) {
      byHost = new Map();
      this.#sentBytes.set(peer, byHost);
    }
    byHost.set(fromHost, (byHost.get(fromHost) ?? 0) + bytes);
  }

  /** Shard by shard, for each is asked for: somebody may have a whole file in one request, but no more than in many. */
  async #send(upload: Upload, outlet: LaneOutlet, signal: AbortSignal): Promise<void> {
    const { range, blob } = upload;
    try {
      for (let at = range.startBytes; at < range.endBytes; ) {
        if (at > range.startBytes) await this.#goOn(upload, at, signal);
        const endBytes = Math.min(range.endBytes, shardEnd(upload.shard, blob.sizeBytes, blob.shardBytes));
        await this.#sendShard(upload, { startBytes: at, endBytes }, outlet, signal);
        at = endBytes;
      }
    } finally {
      this.#uploads.delete(upload.request);
      this.#giveBack(upload.request);
      await blob.close();
    }
  }

  /** Gives the slot back, and asks for the next shard's. @throws SwarmError as the engine refuses: the request is broken off */
  async #goOn(upload: Upload, startBytes: number, signal: AbortSignal): Promise<void> {
    const { peer, blob } = upload.asked;
    this.#uploads.delete(upload.request);
    this.#giveBack(upload.request);
    upload.request = this.#nextRequest++;
    upload.shard = shardAt(startBytes, upload.blob.shardBytes);
    this.#uploads.set(upload.request, upload);
    const { request, shard } = upload;
    const verdict = await this.#admit({ request, peer, blob, shard, startBytes }, signal);
    if (verdict.kind === "refuse") {
      throw new SwarmError(verdict.code, MESSAGES[verdict.code], { redirect: verdict.redirect });
    }
  }

  #sendShard(
    upload: Upload,
    part: { readonly startBytes: number; readonly endBytes: number },
    outlet: LaneOutlet,
    signal: AbortSignal,
  ): Promise<void> {
    const { asked, blob, stop } = upload;
    return sendRange({
      ...part,
      blob,
      outlet,
      buffers: this.#buffers,
      limit: this.#deps.limit,
      idleMs: this.#opts.idleMs,
      onSent: (bytes) => {
        upload.sentBytes += bytes;
        this.#countSent(asked, bytes);
      },
      signal: AbortSignal.any([signal, stop.signal]),
    });
  }
}

const MESSAGES = {
  PEER_BUSY: "no upload slot is free",
  PEER_LACKS: "the shard is not here and not on its way",
  PEER_DENIED: "this is not for you",
} as const;

function refusal(
  code: LaneRefusal["code"],
  message: string,
  more: Partial<Pick<LaneRefusal, "redirect" | "retryAfterMs" | "sizeBytes">> = {},
): LaneRefusal {
  return { kind: "refuse", code, message, redirect: [], ...more };
}

function taintKey({ peer, blob }: LaneRequest, shard: number): string {
  return `${peer} ${blob} ${shard}`;
}
