/** The gateway's bodies go out as those of the direct lane do: through the kernel where it can send a file itself. */
import type { ServerResponse } from "node:http";
import type { BodyOutlet, OpenFile, Outlets } from "./gateway/ports.js";
import { SendBuffers } from "./serve/send-buffers.js";
import { sendRange } from "./serve/send-range.js";
import { type KernelSend, loadKernelSend } from "./transport/lanes/kernel-send.js";
import { ResponseOutlet } from "./transport/lanes/response-outlet.js";

/** Two for each reader; hundreds of readers must not take hundreds of megabytes. */
const BUFFER_BYTES = 128 * 1024;
const MOST_KEPT = 32;
/** A reader that takes nothing for so long is cut off. Programs that read as they compute may pause. */
const IDLE_MS = 5 * 60_000;

export class ResponseOutlets implements Outlets {
  readonly #kernel: KernelSend | undefined;
  readonly #buffers = new SendBuffers(BUFFER_BYTES, MOST_KEPT);

  private constructor(kernel: KernelSend | undefined) {
    this.#kernel = kernel;
  }

  static async make(): Promise<ResponseOutlets> {
    return new ResponseOutlets(await loadKernelSend());
  }

  open(response: ServerResponse, { signal }: { readonly signal: AbortSignal }): BodyOutlet {
    const outlet = new ResponseOutlet(response, { idleMs: IDLE_MS, signal, kernel: this.#kernel });
    return {
      send: (file, startBytes, endBytes) => this.#send(outlet, file, startBytes, endBytes, signal),
      close: () => outlet.close(),
    };
  }

  async #send(
    outlet: ResponseOutlet,
    file: OpenFile,
    startBytes: number,
    endBytes: number,
    signal: AbortSignal,
  ): Promise<void> {
    await sendRange({
      // Whoever orders this has seen to it that all of it may be read.
      blob: { ...file, servableUpTo: () => endBytes, onRise: () => () => undefined },
      startBytes,
      endBytes,
      outlet,
      buffers: this.#buffers,
      limit: undefined,
      idleMs: IDLE_MS,
      onSent: () => undefined,
      signal,
    });
  }
}
