/**
 * Sends a range of a file that is on its way, in order, as far as somebody vouches for the bytes, and never falls silent while it has
 * any.
 *
 * Two things are held back. Some bytes, to have something to send when nothing comes for a while: clients give up after ten seconds of
 * silence. And the end of the file until the whole of it is verified: so nobody ever gets a whole file that is not right.
 */
import { SwarmError } from "@swarmd/protocol";
import type { ByteRange } from "./byte-ranges.js";
import type { BodyOutlet, OpenFile } from "./ports.js";

export interface StreamOrder {
  readonly file: OpenFile;
  readonly range: ByteRange;
  readonly outlet: BodyOutlet;
  /** Settles when the file is verified, or will not be. */
  readonly done: Promise<void>;
  /** The reader is at this byte, and waits for what comes next. */
  readonly onPosition: (positionBytes: number) => void;
  readonly signal: AbortSignal;
}

/** Lasts for days of drops. */
export const RESERVE_BYTES = 64 * 1024;
/** A drop at least this often: less than half the patience of the least patient client. */
const DROP_MS = 4_000;

/** @throws what `done` rejects with; what the outlet threw; the signal's reason */
export async function streamArriving(order: StreamOrder): Promise<void> {
  const { file, range, outlet, onPosition, signal } = order;
  const end = new EndWatch(order);
  let at = range.startBytes;
  const stopListening = file.onDiscard((startBytes, endBytes) => {
    if (startBytes < at && endBytes > range.startBytes) end.fail(takenBack());
  });
  try {
    onPosition(at);
    await sendOn();
  } finally {
    stopListening();
  }

  async function sendOn(): Promise<void> {
    while (at < range.endBytes) {
      signal.throwIfAborted();
      end.throwIfFailed();
      const readable = end.isVerified ? file.sizeBytes : file.servableUpTo(at);
      const goal = goalOf(at, readable, order, end.isVerified);
      if (goal > at) {
        await outlet.send(file, at, goal);
        at = goal;
        onPosition(at);
        continue;
      }
      const hasRisen = await end.nextNews(DROP_MS);
      // The very last byte says that all is well.
      if (hasRisen || file.servableUpTo(at) <= at || at + 1 >= file.sizeBytes) continue;
      await outlet.send(file, at, at + 1);
      at += 1;
    }
    end.throwIfFailed();
  }
}

/** What was sent can't be called back: the answer must not come to a good end. */
function takenBack(): SwarmError {
  return new SwarmError("INTEGRITY", "a part of what was sent turned out to be wrong", {
    hint: "Ask again, from the start.",
  });
}

function goalOf(at: number, readable: number, { file, range }: StreamOrder, isVerified: boolean): number {
  if (isVerified) return range.endBytes;
  const most = Math.min(readable, file.sizeBytes - RESERVE_BYTES);
  return most >= range.endBytes ? range.endBytes : Math.max(at, most - RESERVE_BYTES);
}

/** Whether the file is verified, and when there is news. */
class EndWatch {
  isVerified = false;
  readonly #order: StreamOrder;
  #failure: { readonly error: unknown } | undefined;
  #wake: (hasRisen: boolean) => void = () => undefined;

  constructor(order: StreamOrder) {
    this.#order = order;
    order.done.then(
      () => {
        this.isVerified = true;
        this.#wake(true);
      },
      (error) => this.fail(error),
    );
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake(true);
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** @returns `false` when there was none for so long. @throws what `done` rejected with; the signal's reason */
  async nextNews(withinMs: number): Promise<boolean> {
    const { file, signal } = this.#order;
    this.throwIfFailed();
    if (this.isVerified) return true;
    const onAbort = () => this.#wake(true);
    const timer = setTimeout(() => this.#wake(false), withinMs);
    signal.addEventListener("abort", onAbort, { once: true });
    let stopListening = () => {};
    try {
      const hasRisen = await new Promise<boolean>((resolve) => {
        this.#wake = resolve;
        stopListening = file.onRise(() => resolve(true));
      });
      this.throwIfFailed();
      return hasRisen;
    } finally {
      stopListening();
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#wake = () => undefined;
    }
  }
}
