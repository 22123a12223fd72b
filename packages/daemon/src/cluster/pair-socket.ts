/** A TCP connection that carries one pairing conversation: frames in turns, within byte limits and deadlines. */
import type { Socket } from "node:net";
import { SwarmError } from "@swarmd/protocol";
import { decodePairFrame, encodePairFrame, PAIR_FRAME_BYTES_MAX, type PairFrame } from "@swarmd/protocol/wire";

/** A frame is its length in two bytes, then its body. */
const HEAD_BYTES = 2;

export class PairSocket {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #failure: SwarmError | undefined;
  #wake: () => void = () => undefined;

  /** @param signal cuts the connection, whatever it is at */
  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    const cut = () => this.#fail(new SwarmError("PEER_STALLED", "the other side said nothing for too long"));
    if (signal.aborted) cut();
    signal.addEventListener("abort", cut, { once: true });
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (cause) => this.#fail(new SwarmError("PEER_UNREACHABLE", cause.message, { cause })));
    socket.on("close", () => {
      signal.removeEventListener("abort", cut);
      this.#fail(new SwarmError("PEER_UNREACHABLE", "the other side closed the connection"));
    });
  }

  /** The next frame. @throws SwarmError PEER_FAULT, PEER_UNREACHABLE, PEER_STALLED */
  async read(): Promise<PairFrame> {
    for (;;) {
      const frame = this.#next();
      if (frame !== undefined) return frame;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A frame is small: it goes into the socket's buffer at once. */
  write(frame: PairFrame): void {
    const body = encodePairFrame(frame);
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt16BE(body.length);
    this.#socket.write(Buffer.concat([head, body]));
  }

  /** The last frame, then the end. */
  end(frame: PairFrame): void {
    this.write(frame);
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    // The conversation goes in turns, so there is never more than one frame here.
    if (this.#received.length > HEAD_BYTES + this.#bodyBytes) {
      this.#fail(new SwarmError("PEER_FAULT", "more than one frame at a time, or one that is too long"));
    }
    this.#wake();
  }

  /** What the head announces; the most before there is one. */
  get #bodyBytes(): number {
    if (this.#received.length < HEAD_BYTES) return PAIR_FRAME_BYTES_MAX;
    return Math.min(PAIR_FRAME_BYTES_MAX, this.#received.readUInt16BE());
  }

  #next(): PairFrame | undefined {
    if (this.#received.length < HEAD_BYTES || this.#failure?.code === "PEER_FAULT") return undefined;
    const length = this.#received.readUInt16BE();
    if (length > PAIR_FRAME_BYTES_MAX) throw new SwarmError("PEER_FAULT", `a frame of ${length} bytes`);
    if (this.#received.length < HEAD_BYTES + length) return undefined;
    const body = this.#received.subarray(HEAD_BYTES, HEAD_BYTES + length);
    this.#received = Buffer.alloc(0);
    return decodePairFrame(body);
  }

  #fail(failure: SwarmError): void {
    this.#failure ??= failure;
    this.#socket.destroy();
    this.#wake();
  }
}
