/** Takes bytes into one HTTP response: through the kernel where it can, else by ordinary writes; each has a deadline. */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { KernelSend } from "./kernel-send.js";
import type { LaneOutlet } from "./ports.js";

export class ResponseOutlet implements LaneOutlet {
  readonly #response: ServerResponse;
  readonly #idleMs: number;
  readonly #signal: AbortSignal;
  readonly #kernel: KernelSend | undefined;
  #socketDescriptor = -1;

  /** @param options.idleMs a reader that takes nothing for so long is cut off */
  constructor(
    response: ServerResponse,
    options: { readonly idleMs: number; readonly signal: AbortSignal; readonly kernel: KernelSend | undefined },
  ) {
    this.#response = response;
    this.#idleMs = options.idleMs;
    this.#signal = options.signal;
    this.#kernel = options.kernel;
    if (this.#kernel !== undefined) this.#socketDescriptor = this.#kernel.duplicate(descriptorOf(response.socket));
  }

  get canSendFile(): boolean {
    return this.#socketDescriptor >= 0;
  }

  /** Resolves when the chunk has left for the kernel: a slow reader holds one chunk, not more. */
  write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: unknown) => {
        clearTimeout(timer);
        this.#signal.removeEventListener("abort", onAbort);
        if (error === undefined || error === null) resolve();
        else reject(error);
      };
      const cut = (error: unknown) => {
        // The socket may still hold on to the chunk: only a dead one lets go of it.
        this.#response.destroy();
        end(error);
      };
      const onAbort = () => cut(toSwarmError(this.#signal.reason, "INTERRUPTED"));
      const timer = setTimeout(
        () => cut(new SwarmError("PEER_STALLED", `a peer took nothing for ${this.#idleMs / 1000} s`)),
        this.#idleMs,
      );
      this.#signal.addEventListener("abort", onAbort, { once: true });
      if (this.#signal.aborted) onAbort();
      else this.#response.write(chunk, (error) => end(error ?? undefined));
    });
  }

  async sendFile(fileDescriptor: number, positionBytes: number, bytes: number): Promise<number> {
    if (this.#kernel === undefined || !this.canSendFile || this.#signal.aborted) return 0;
    return this.#kernel.send(this.#socketDescriptor, fileDescriptor, positionBytes, bytes);
  }

  /** Must be called once nothing is being sent any more. */
  close(): void {
    if (this.canSendFile) this.#kernel?.close(this.#socketDescriptor);
    this.#socketDescriptor = -1;
  }
}

/** libuv's descriptor of a plain TCP socket; -1 for anything else. No public name for it, but one that has not changed in years. */
function descriptorOf(socket: Socket | null): number {
  const { _handle: handle } = (socket ?? {}) as { _handle?: { fd?: unknown } | null };
  const isPlain = handle?.constructor?.name === "TCP";
  return isPlain && typeof handle?.fd === "number" ? handle.fd : -1;
}
