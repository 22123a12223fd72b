/** Blobs come and go: pulls want them, the store opens, finishes and closes them, pulls are told how it ended. */
import { type BlobId, type NodeId, shardAt } from "@swarmd/protocol";
import type { Fault, Input, PullId } from "./messages.js";
import type { Attempt } from "./session/attempt.js";
import { Session } from "./session/session.js";
import type { EngineState } from "./state.js";

type Of<Type extends Input["type"]> = Extract<Input, { readonly type: Type }>;

/** The second time a whole file does not match its digest, a third download would not help. */
const MAX_CORRUPTIONS = 2;
/** Names are free, so there may always be another liar: some time it has to end. */
const MAX_LIES = 16;
/** A reader that seeks around must not pile up wishes. */
const MAX_FOCUS = 16;

/** What the swarm's part of the engine has to know. */
export interface LifecycleWatch {
  /** A pull wants the blob. */
  began(session: Session): void;
  /** The staging file is there. */
  opened(session: Session): void;
  /** What others should know of it changed. */
  changed(session: Session): void;
  /** It is in the cache. */
  whole(session: Session): void;
  /** It is no longer being fetched. */
  gone(session: Session): void;
  /** A peer vouched for wrong bytes. */
  lied(peer: NodeId, why: string): void;
  /** Bytes that may have been passed on are wrong. */
  worthless(session: Session, shard: number): void;
}

export class Lifecycle {
  readonly #state: EngineState;
  readonly #watch: LifecycleWatch;

  constructor(state: EngineState, watch: LifecycleWatch) {
    this.#state = state;
    this.#watch = watch;
  }

  want({ pull, blob, options }: Of<"want">): void {
    let session = this.#state.sessions.get(blob.id);
    if (session === undefined) {
      session = this.#begin(new Session(blob, this.#state.newSequence(), this.#state.options.shardBytes));
    }
    session.join(pull, options);
    this.#watch.began(session);
    this.#state.reorder();
  }

  unwant({ pull, blob }: Of<"unwant">): void {
    const session = this.#state.sessions.get(blob);
    if (session === undefined || !session.pulls.has(pull)) return;
    session.leave(pull);
    this.#state.reorder();
    if (session.pulls.size === 0 && session.phase === "fetching") this.#close(session);
  }

  opened({ blob, state }: Of<"opened">): void {
    const session = this.#state.sessions.get(blob);
    if (session?.phase !== "opening") return;
    session.opened(state);
    this.#watch.opened(session);
    // What the journal knew is news to others.
    if (session.shards.held.count > 0) this.#watch.changed(session);
    if (session.pulls.size === 0) this.#close(session);
    else this.finishIfWhole(session);
  }

  present({ blob }: Of<"present">): void {
    const session = this.#state.sessions.get(blob);
    if (session?.phase !== "opening") return;
    this.#watch.whole(session);
    this.#settle(session);
    this.#remove(session);
  }

  storeFailed({ blob, fault }: Of<"store-failed">): void {
    const session = this.#state.sessions.get(blob);
    if (session === undefined || session.phase === "closing") return;
    if (session.phase !== "opening") {
      this.fail(session, fault);
      return;
    }
    this.#settle(session, fault);
    this.#remove(session);
  }

  verified({ blob }: Of<"verified">): void {
    const session = this.#state.sessions.get(blob);
    if (session?.phase !== "finishing") return;
    session.shards.verify();
    this.#watch.whole(session);
    this.#settle(session);
    this.#remove(session);
  }

  corrupt({ blob, shards, culprits = [] }: Of<"corrupt">): void {
    const session = this.#state.sessions.get(blob);
    if (session?.phase !== "finishing" && session?.phase !== "fetching") return;
    const worthless = shards.length === 0 ? [...session.shards.held] : shards;
    session.corrupt(worthless, culprits.length > 0);
    for (const shard of worthless) this.#watch.worthless(session, shard);
    for (const peer of culprits) this.#watch.lied(peer, `vouched for wrong bytes of ${blob}`);
    this.#watch.changed(session);
    if (session.pulls.size === 0) this.#close(session);
    else if (session.corruptions >= MAX_CORRUPTIONS || session.lies >= MAX_LIES)
      this.fail(session, integrityFault(blob));
    else this.finishIfWhole(session);
  }

  focus({ blob, startBytes, endBytes }: Of<"focus">): void {
    const session = this.#state.sessions.get(blob);
    if (session === undefined || session.shards.count === 0 || !(startBytes < endBytes)) return;
    const { shardBytes, count } = session.shards;
    const first = Math.min(count - 1, Math.max(0, shardAt(startBytes, shardBytes)));
    const last = Math.min(count - 1, Math.max(first, shardAt(endBytes - 1, shardBytes)));
    // The newest wish goes first: it is the one somebody waits for now.
    this.#state.focus = [{ blob, firstShard: first, lastShard: last }, ...this.#state.focus].slice(0, MAX_FOCUS);
  }

  /** Tells the pulls, stops the attempts, closes the staging file once they have ended. */
  fail(session: Session, fault: Fault): void {
    this.#settle(session, fault);
    this.#close(session);
  }

  /** To be called when an attempt has ended: the last one may let the staging file be closed. */
  attemptGone(session: Session): void {
    if (session.phase === "closing" && session.attempts.size === 0) this.#closed(session);
  }

  finishIfWhole(session: Session): void {
    if (session.phase !== "fetching" || !session.isWhole || session.attempts.size > 0) return;
    session.finish();
    this.#state.emit({ type: "finish", blob: session.blob });
  }

  cancel(attempt: Attempt): void {
    if (attempt.isCancelled) return;
    attempt.isCancelled = true;
    this.#state.emit({ type: "cancel", attempt: attempt.id });
  }

  #begin(session: Session): Session {
    if (this.#state.sessions.size === 0) this.#state.originMs.clear();
    this.#state.sessions.set(session.blob, session);
    this.#state.emit({ type: "open", blob: session.spec });
    return session;
  }

  #settle(session: Session, fault?: Fault): void {
    for (const pull of session.pulls.keys()) this.#settleOne(pull, session.blob, fault);
    session.pulls.clear();
  }

  #settleOne(pull: PullId, blob: BlobId, fault: Fault | undefined): void {
    this.#state.emit(fault === undefined ? { type: "settled", pull, blob } : { type: "settled", pull, blob, fault });
  }

  #close(session: Session): void {
    session.close();
    for (const id of session.attempts) {
      const attempt = this.#state.attempts.get(id);
      if (attempt !== undefined) this.cancel(attempt);
    }
    this.attemptGone(session);
  }

  /** The staging file is let go; pulls that came while it was being closed begin anew. */
  #closed(session: Session): void {
    this.#state.emit({ type: "close", blob: session.blob });
    this.#remove(session);
    if (session.pulls.size === 0) return;
    const next = new Session(session.spec, this.#state.newSequence(), this.#state.options.shardBytes);
    for (const [pull, options] of session.pulls) next.join(pull, options);
    this.#begin(next);
  }

  #remove(session: Session): void {
    this.#watch.gone(session);
    this.#watch.changed(session);
    this.#state.sessions.delete(session.blob);
    this.#state.focus = this.#state.focus.filter((focus) => focus.blob !== session.blob);
    this.#state.timers.clear(`back-off ${session.blob}`);
    this.#state.reorder();
  }
}

function integrityFault(blob: BlobId): Fault {
  return {
    code: "INTEGRITY",
    blame: "origin",
    message: `${blob} was fetched twice, and both times its content did not match its digest`,
    hint: "The origin serves other bytes than it vouches for, or something on the way changes them; try again later or from another network.",
  };
}
