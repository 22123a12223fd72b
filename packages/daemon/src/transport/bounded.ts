/** Streams of peers that are read and written with deadlines and byte limits; what breaks them is cut. */
import type { Stream } from "@libp2p/interface";
import { SwarmError } from "@swarmd/protocol";
import { type LengthPrefixedStream, lpStream } from "it-length-prefixed-stream";

/** A message on a stream goes as its length (a varint), then its bytes. */
export type MessageStream = LengthPrefixedStream<Stream>;

/** @param maxBytes a message that announces more is refused before it is read */
export function messagesOf(stream: Stream, maxBytes: number): MessageStream {
  return lpStream(stream, { maxDataLength: maxBytes });
}

/** Reads one message. @throws SwarmError PEER_FAULT, PEER_STALLED; INTERRUPTED when `signal` says so */
export async function readMessage(messages: MessageStream, signal: AbortSignal): Promise<Uint8Array> {
  const bytes = await messages.read({ signal });
  return bytes.subarray();
}

/** Runs one conversation on a stream: it ends in time and leaves nothing half-open, whatever happens. */
export async function withStream<Value>(
  stream: Stream,
  signal: AbortSignal,
  talk: () => Promise<Value>,
): Promise<Value> {
  const cut = () => stream.abort(new Error("out of time"));
  if (signal.aborted) cut();
  signal.addEventListener("abort", cut, { once: true });
  try {
    const value = await talk();
    await stream.close({ signal });
    return value;
  } catch (error) {
    stream.abort(error as Error);
    throw error;
  } finally {
    signal.removeEventListener("abort", cut);
  }
}

/** What a failed conversation means: our own abort, silence, a lost connection, or nonsense. */
export function toPeerError(error: unknown, what: string, signal: AbortSignal, outer?: AbortSignal): SwarmError {
  if (error instanceof SwarmError) return error;
  if (outer?.aborted === true) return new SwarmError("INTERRUPTED", `${what}: interrupted`, { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  if (signal.aborted) return new SwarmError("PEER_STALLED", `${what}: no answer in time`, options);
  if (/InvalidDataLength|InvalidMessageLength|UnsupportedProtocol/.test((error as Error).name)) {
    return new SwarmError("PEER_FAULT", `${what}: ${message}`, options);
  }
  return new SwarmError("PEER_UNREACHABLE", `${what}: ${message}`, options);
}
