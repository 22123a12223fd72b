/** What decoders hold a peer's values against; all throw PEER_FAULT. */
import { SwarmError } from "../errors.js";

/** Generated code and id parsers throw errors of many kinds; peers make them all. */
export function guarded<Value>(what: string, bytes: Uint8Array, maxBytes: number, decode: () => Value): Value {
  if (bytes.length > maxBytes) {
    throw new SwarmError("PEER_FAULT", `${what} of ${bytes.length} bytes; the most is ${maxBytes}`);
  }
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof SwarmError && cause.code === "PEER_FAULT") throw cause;
    throw new SwarmError("PEER_FAULT", `what a peer sent as ${what} can't be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

export function whole(what: string, value: number): number {
  return within(what, value, 0, Number.MAX_SAFE_INTEGER);
}

export function within(what: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw fault(`${what} of ${value}`);
}

export function printable(what: string, text: string, maxLength: number): string {
  if (text.length <= maxLength && /^[\x20-\x7e]*$/.test(text)) return text;
  throw fault(`${what} that is too long or not printable`);
}

export function fault(what: string): SwarmError {
  return new SwarmError("PEER_FAULT", `a peer sent ${what}`);
}
