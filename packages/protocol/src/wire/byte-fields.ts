/** Fields one after the other, big-endian, each in its one form: for what is signed or hashed, where a second spelling would be a second thing. */
import { fromString } from "uint8arrays/from-string";
import { toString as toText } from "uint8arrays/to-string";
import { SwarmError } from "../errors.js";

export class FieldWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** @param width in bytes, 1 to 8. @throws RangeError when the value does not fit */
  number(value: number, width: number): this {
    if (!Number.isSafeInteger(value) || value < 0 || value >= 2 ** (8 * width)) {
      throw new RangeError(`${value} does not fit into ${width} bytes`);
    }
    const at = this.#take(width);
    let rest = value;
    for (let index = width - 1; index >= 0; index -= 1) {
      this.#bytes[at + index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Its length in bytes, in `width` bytes, then the text as UTF-8. @throws RangeError when it is too long */
  text(text: string, width: number): this {
    const bytes = fromString(text, "utf8");
    return this.number(bytes.length, width).raw(bytes);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #take(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#length);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return at;
  }
}

/** Reads what a {@link FieldWriter} wrote. Every method throws PEER_FAULT for what it can't have written. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** @param what for messages: `a publication` */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(width: number): number {
    let value = 0;
    for (const byte of this.raw(width)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw this.fault("a number that is too large");
    return value;
  }

  /** A copy: what it is cut out of may go. */
  raw(bytes: number): Uint8Array {
    if (bytes > this.left) throw this.fault(`only ${this.left} bytes where ${bytes} should be`);
    this.#at += bytes;
    return new Uint8Array(this.#bytes.subarray(this.#at - bytes, this.#at));
  }

  text(width: number): string {
    const bytes = this.raw(this.number(width));
    const text = toText(bytes, "utf8");
    const again = fromString(text, "utf8");
    if (again.length !== bytes.length || again.some((byte, index) => byte !== bytes[index])) {
      throw this.fault("a text that is no UTF-8");
    }
    return text;
  }

  /** Nothing may follow. */
  end(): void {
    if (this.left > 0) throw this.fault(`${this.left} bytes too many`);
  }

  fault(problem: string): SwarmError {
    return new SwarmError("PEER_FAULT", `${this.#what} with ${problem}`);
  }

  /** What parsers of names throw is the peer's fault here. */
  parsed<Value>(parse: () => Value): Value {
    try {
      return parse();
    } catch (cause) {
      throw new SwarmError("PEER_FAULT", `${this.#what} that can't be read: ${(cause as Error).message}`, { cause });
    }
  }
}
