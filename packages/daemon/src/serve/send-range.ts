/** Sends a range of a blob as it becomes servable: reads ahead by one buffer, never past the watermark. */
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { LaneOutlet, OpenBlob, SendLimit } from "./ports.js";
import { SendBuffers } from "./send-buffers.js";

export interface SendOrder {
  readonly blob: OpenBlob;
  readonly startBytes: number;
  readonly endBytes: number;
  readonly outlet: LaneOutlet;
  readonly buffers: SendBuffers;
  readonly limit: SendLimit | undefined;
  /** A relay whose own source is silent for so long is given up. */
  readonly idleMs: number;
  /** Everything below has left. */
  readonly onSent: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** With a limit, pieces are small, so that the rate is even. */
const LIMITED_BYTES = 64 * 1024;
/** One order to the kernel: long enough to be cheap, short enough that an abort is soon felt. */
const KERNEL_BYTES = 4 * 1024 * 1024;
/** What is written the ordinary way between them: the write tells when the socket has room again. */
const PRIMER_BYTES = 64 * 1024;
/** Where the kernel sends, large buffers would be memory for nothing: dozens of uploads wait for their own source at a time. */
const primers = new SendBuffers(PRIMER_BYTES, 8);

/** @throws SwarmError PEER_STALLED, STORE_FAULT; what the outlet threw; INTERRUPTED or the signal's own SwarmError */
export async function sendRange(order: SendOrder): Promise<void> {
  const canSendFile = order.outlet.canSendFile === true && order.blob.fileDescriptor !== undefined;
  const buffers = canSendFile ? primers : order.buffers;
  const [first, second] = buffers.take();
  try {
    if (canSendFile) await sendThroughKernel(order, first);
    else await sendCopies(order, first, second);
  } finally {
    buffers.give([first, second]);
  }
}

/** The kernel sends from the file itself; whenever the socket is full, a small ordinary write waits until there is room. */
async function sendThroughKernel(order: SendOrder, primer: Buffer): Promise<void> {
  const { startBytes, endBytes, blob, outlet, limit, onSent, signal } = order;
  // The head goes out with the first ordinary write.
  let isPrimed = false;
  for (let at = startBytes; at < endBytes; ) {
    const available = Math.min(await waitForBytes(order, at), endBytes) - at;
    const isLimited = limit?.bytesPerSecond !== undefined;
    let sent = 0;
    if (isPrimed) {
      const bytes = Math.min(available, isLimited ? LIMITED_BYTES : KERNEL_BYTES);
      sent = (await outlet.sendFile?.(blob.fileDescriptor as number, at, bytes)) ?? 0;
    }
    if (sent === 0) {
      const piece = primer.subarray(0, available);
      await blob.read(at, piece);
      await outlet.write(piece);
      sent = piece.length;
      isPrimed = true;
    }
    at += sent;
    onSent(sent);
    await limit?.take(sent, { signal });
  }
}

/** The last chunk leaves while the next one is read. */
async function sendCopies(order: SendOrder, first: Buffer, second: Buffer): Promise<void> {
  const { startBytes, endBytes, blob, outlet, limit, onSent, signal } = order;
  let current = first;
  let next = second;
  let sending: Promise<void> = Promise.resolve();
  try {
    for (let at = startBytes; at < endBytes; ) {
      const available = Math.min(await waitForBytes(order, at), endBytes) - at;
      const most = limit?.bytesPerSecond === undefined ? current.length : LIMITED_BYTES;
      const piece = current.subarray(0, Math.min(available, most));
      await Promise.all([blob.read(at, piece), sending]);
      await limit?.take(piece.length, { signal });
      throwIfAborted(signal);
      sending = outlet.write(piece).then(() => onSent(piece.length));
      // Looked at when the next piece is read: until then a failure must not count as unhandled.
      sending.catch(() => undefined);
      at += piece.length;
      [current, next] = [next, current];
    }
    await sending;
  } finally {
    // A buffer that the outlet may still read from must not go to somebody else.
    await sending.catch(() => undefined);
  }
}

/** How far may be sent; waits until it is beyond `at`. */
async function waitForBytes({ blob, idleMs, signal }: SendOrder, at: number): Promise<number> {
  for (;;) {
    throwIfAborted(signal);
    const servable = blob.servableUpTo(at);
    if (servable > at) return servable;
    await nextRise(blob, idleMs, signal);
  }
}

function nextRise(blob: OpenBlob, idleMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: unknown) => {
      clearTimeout(timer);
      stopListening();
      signal.removeEventListener("abort", onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => end(toSwarmError(signal.reason, "INTERRUPTED"));
    const timer = setTimeout(
      () => end(new SwarmError("PEER_STALLED", `nothing more of a shard in progress came for ${idleMs / 1000} s`)),
      idleMs,
    );
    const stopListening = blob.onRise(() => end());
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toSwarmError(signal.reason, "INTERRUPTED");
}
