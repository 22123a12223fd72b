/**
 * Questions to peers and from them, many on one stream: a stream for each would cost ten messages where two do, and that was half of what
 * the main thread did while several nodes pulled (decision 26).
 */
import type { Stream } from "@libp2p/interface";
import { type NodeId, SwarmError } from "@swarmd/protocol";
import {
  decodeTalkFrame,
  encodeTalkFrame,
  TALK_ANSWER_BYTES_MAX,
  TALK_PROTOCOL,
  TALK_QUESTION_BYTES_MAX,
  type TalkKind,
} from "@swarmd/protocol/wire";
import { type MessageStream, messagesOf, readMessage, withStream } from "./bounded.js";

export type TalkTopic = Extract<TalkKind, "ticket" | "evidence">;

/** Answers questions about one topic, as often as it likes. What it throws ends that question, and nothing else. */
export type TalkDesk = (
  peer: NodeId,
  question: Uint8Array,
  answer: (payload: Uint8Array) => Promise<void>,
  options: { readonly signal: AbortSignal },
) => Promise<void>;

export interface TalkQuestion {
  readonly topic: TalkTopic;
  readonly question: Uint8Array;
  /** How many it has. After so many nothing more is said about it, on either side. */
  readonly answers: number;
}

/** What comes back. */
export interface Answers {
  /** @throws SwarmError PEER_UNREACHABLE when none will come, or what cut the stream; the signal's reason on abort */
  next(): Promise<Uint8Array>;
}

export interface TalksDeps {
  readonly openStream: (peer: NodeId, protocol: string, options: { signal: AbortSignal }) => Promise<Stream>;
  /** Names the connection on which a stream would be opened now; undefined: none. */
  readonly routeTo: (peer: NodeId) => string | undefined;
  readonly desks: Readonly<Record<TalkTopic, TalkDesk>>;
}

const OPEN_MS = 5_000;
const WRITE_MS = 5_000;
/** Without a question, who asks lets the stream go; who is asked a good deal later, so that it is never the one whose end crosses a question. */
const ASKER_IDLE_MS = 20_000;
const ASKED_IDLE_MS = 60_000;
/** To one peer, at a time: several times what a node has under way. More wait for their turn. */
const MOST_ASKED = 128;
/** Of one peer, at a time. More than one that keeps to the rules can have, also while the ends of some are on their way. */
const MOST_OPEN = 2 * MOST_ASKED;
const NOTHING = new Uint8Array(0);

export class Talks {
  readonly #deps: TalksDeps;
  readonly #channels = new Map<NodeId, { readonly route: string | undefined; readonly opening: Promise<Channel> }>();
  readonly #stopped = new AbortController();

  constructor(deps: TalksDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#stopped.abort();
  }

  /**
   * Asks a peer and hands its answers to `listen`; when that returns, the question is over.
   *
   * @throws SwarmError PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT; what `listen` threw; the signal's reason on abort
   */
  async ask<Value>(
    peer: NodeId,
    question: TalkQuestion,
    { signal }: { readonly signal: AbortSignal },
    listen: (answers: Answers) => Promise<Value>,
  ): Promise<Value> {
    let channel = await untilAborted(this.#channelTo(peer), signal);
    while (channel.isFull) {
      await untilAborted(channel.nextEnd(), signal);
      channel = await untilAborted(this.#channelTo(peer), signal);
    }
    const asked = channel.ask(question);
    try {
      return await listen({ next: () => untilAborted(asked.next(), signal) });
    } finally {
      asked.end();
    }
  }

  /** Takes a stream that a peer opened. @throws whatever cuts the stream */
  take(peer: NodeId, stream: Stream): Promise<void> {
    return new AskedStream(peer, stream, this.#deps.desks, this.#stopped.signal).run();
  }

  #channelTo(peer: NodeId): Promise<Channel> {
    const route = this.#deps.routeTo(peer);
    const known = this.#channels.get(peer);
    // Over a connection that is newer than its own: the old one may be dead and not know it.
    if (known !== undefined && known.route === route) return known.opening;
    const opening = this.#open(peer);
    const entry = { route, opening };
    const forget = () => void (this.#channels.get(peer) === entry && this.#channels.delete(peer));
    this.#channels.set(peer, entry);
    opening.then((channel) => channel.over.then(forget), forget);
    return opening;
  }

  async #open(peer: NodeId): Promise<Channel> {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(OPEN_MS)]);
    return new Channel(await this.#deps.openStream(peer, TALK_PROTOCOL, { signal }), this.#stopped.signal);
  }
}

/** Our questions to one peer. */
class Channel {
  /** Resolves when nothing more can be asked here. */
  readonly over: Promise<void>;
  readonly #messages: MessageStream;
  readonly #writer: Writer;
  readonly #open = new Map<number, Question>();
  readonly #cut = new AbortController();
  #idle: NodeJS.Timeout | undefined;
  #why: unknown;
  #nextId = 1;
  #waiting: (() => void)[] = [];

  constructor(stream: Stream, stopped: AbortSignal) {
    const signal = AbortSignal.any([stopped, this.#cut.signal]);
    this.#messages = messagesOf(stream, TALK_ANSWER_BYTES_MAX);
    this.#writer = new Writer(this.#messages, (error) => this.#cut.abort(error));
    this.#rest();
    this.over = withStream(stream, signal, () => this.#listen(signal)).then(
      () => this.#end(undefined),
      (error: unknown) => this.#end(signal.aborted ? signal.reason : error),
    );
  }

  get isFull(): boolean {
    return this.#open.size >= MOST_ASKED;
  }

  /** Resolves when a question is over. */
  nextEnd(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  ask({ topic, question: payload, answers }: TalkQuestion): Question & { end(): void } {
    const id = this.#nextId;
    this.#nextId = id === 2 ** 32 - 1 ? 1 : id + 1;
    const question = new Question(answers);
    if (this.#why !== undefined || this.#cut.signal.aborted) question.fail(this.#why ?? lost());
    clearTimeout(this.#idle);
    this.#open.set(id, question);
    this.#writer.write({ id, kind: topic, payload });
    const end = () => {
      if (!this.#open.delete(id)) return;
      if (!question.isOver) this.#writer.write({ id, kind: "end", payload: NOTHING });
      this.#waiting.shift()?.();
      if (this.#open.size === 0) this.#rest();
    };
    return Object.assign(question, { end });
  }

  async #listen(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { id, kind, payload } = decodeTalkFrame(await readMessage(this.#messages, signal));
      const question = this.#open.get(id);
      if (kind === "answer") question?.push(payload);
      else if (kind === "end") question?.fail(lost());
      else throw new SwarmError("PEER_FAULT", "a peer asked where it was to answer");
    }
  }

  #end(why: unknown): void {
    this.#why = why ?? lost();
    clearTimeout(this.#idle);
    for (const question of this.#open.values()) question.fail(this.#why);
    this.#open.clear();
    for (const go of this.#waiting.splice(0)) go();
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#cut.abort(lost()), ASKER_IDLE_MS);
    this.#idle.unref();
  }
}

/** One question, until its asker has heard enough. */
class Question {
  readonly #unread: Uint8Array[] = [];
  #left: number;
  #why: unknown;
  #wake: () => void = () => undefined;

  constructor(answers: number) {
    this.#left = answers;
  }

  /** Nothing more will come. */
  get isOver(): boolean {
    return this.#why !== undefined || this.#left === 0;
  }

  push(payload: Uint8Array): void {
    if (this.#left === 0) throw new SwarmError("PEER_FAULT", "a peer answers more than it was asked");
    this.#left -= 1;
    this.#unread.push(payload);
    this.#wake();
  }

  fail(why: unknown): void {
    this.#why ??= why;
    this.#wake();
  }

  async next(): Promise<Uint8Array> {
    for (;;) {
      const payload = this.#unread.shift();
      if (payload !== undefined) return payload;
      if (this.#why !== undefined) throw this.#why;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A peer's questions to us. */
class AskedStream {
  readonly #peer: NodeId;
  readonly #stream: Stream;
  readonly #desks: TalksDeps["desks"];
  readonly #messages: MessageStream;
  readonly #writer: Writer;
  readonly #open = new Map<number, AbortController>();
  readonly #cut = new AbortController();
  readonly #signal: AbortSignal;
  #idle: NodeJS.Timeout | undefined;

  constructor(peer: NodeId, stream: Stream, desks: TalksDeps["desks"], stopped: AbortSignal) {
    this.#peer = peer;
    this.#stream = stream;
    this.#desks = desks;
    this.#messages = messagesOf(stream, TALK_QUESTION_BYTES_MAX);
    this.#writer = new Writer(this.#messages, (error) => this.#cut.abort(error));
    this.#signal = AbortSignal.any([stopped, this.#cut.signal]);
  }

  async run(): Promise<void> {
    this.#rest();
    try {
      await withStream(this.#stream, this.#signal, () => this.#listen());
    } finally {
      clearTimeout(this.#idle);
      for (const question of this.#open.values()) question.abort();
    }
  }

  async #listen(): Promise<void> {
    for (;;) {
      const { id, kind, payload } = decodeTalkFrame(await readMessage(this.#messages, this.#signal));
      if (kind === "end") this.#open.get(id)?.abort();
      else if (kind === "answer") throw new SwarmError("PEER_FAULT", "a peer answered what nobody asked");
      else this.#take(id, kind, payload);
    }
  }

  #take(id: number, topic: TalkTopic, payload: Uint8Array): void {
    if (this.#open.has(id)) throw new SwarmError("PEER_FAULT", `a peer asked two questions of number ${id}`);
    if (this.#open.size >= MOST_OPEN) throw new SwarmError("PEER_FAULT", `a peer has ${MOST_OPEN} questions open`);
    const taken = new AbortController();
    this.#open.set(id, taken);
    clearTimeout(this.#idle);
    const answer = (bytes: Uint8Array) => this.#writer.write({ id, kind: "answer", payload: bytes });
    // An answer keeps no more than one question waiting: whoever asked does without it, or asks somebody else.
    void this.#desks[topic](this.#peer, payload, answer, { signal: taken.signal })
      .catch(() => void (taken.signal.aborted || this.#writer.write({ id, kind: "end", payload: NOTHING })))
      .finally(() => {
        this.#open.delete(id);
        if (this.#open.size === 0) this.#rest();
      });
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#cut.abort(lost()), ASKED_IDLE_MS);
    this.#idle.unref();
  }
}

/** One frame after the other, each in time. */
class Writer {
  readonly #messages: MessageStream;
  readonly #onFail: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();

  constructor(messages: MessageStream, onFail: (error: unknown) => void) {
    this.#messages = messages;
    this.#onFail = onFail;
  }

  /** Resolves once the frame is out, and when it can't be: then all hear of it. */
  write(frame: Parameters<typeof encodeTalkFrame>[0]): Promise<void> {
    this.#last = this.#last
      .then(() => this.#messages.write(encodeTalkFrame(frame), { signal: AbortSignal.timeout(WRITE_MS) }))
      .catch(this.#onFail);
    return this.#last;
  }
}

function lost(): SwarmError {
  return new SwarmError("PEER_UNREACHABLE", "the peer does not answer that, or not any more");
}

async function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
    promise.catch(() => undefined);
  }
}
