/** Answers one request with a line of JSON per event, at the pace of the reader. */
import type { ServerResponse } from "node:http";
import { SwarmError, toErrorBody } from "@swarmd/protocol";

interface StreamedEvent {
  readonly type: string;
}

/**
 * One NDJSON answer. While the reader has not taken what was sent before, skippable events are left out; all others are queued,
 * and there are only as many of those as a pull has files.
 */
export class EventStream {
  /** Aborted when the reader goes away before the end. */
  readonly signal: AbortSignal;
  readonly #response: ServerResponse;
  readonly #skippable: ReadonlySet<string>;
  readonly #abort = new AbortController();
  #isCongested = false;
  #isEnded = false;

  constructor(response: ServerResponse, skippable: readonly string[]) {
    this.#response = response;
    this.#skippable = new Set(skippable);
    this.signal = this.#abort.signal;
    response.on("drain", () => {
      this.#isCongested = false;
    });
    response.on("close", () => {
      if (!response.writableFinished) this.abort(new SwarmError("INTERRUPTED", "the client went away"));
    });
    // An answer that can't be written is seen as `close`.
    response.on("error", () => undefined);
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    response.flushHeaders();
  }

  send(event: StreamedEvent): void {
    if (this.#isEnded || this.#response.destroyed) return;
    if (this.#isCongested && this.#skippable.has(event.type)) return;
    this.#isCongested = !this.#response.write(`${JSON.stringify(event)}\n`);
  }

  /** Asks the work behind this stream to stop. */
  abort(reason: SwarmError): void {
    this.#abort.abort(reason);
  }

  /** The last line; resolves when the reader has it or is gone. */
  async end(failure: SwarmError | undefined): Promise<void> {
    if (failure !== undefined) this.send({ type: "error", ...toErrorBody(failure) });
    this.#isEnded = true;
    if (this.#response.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#response.once("close", resolve);
      this.#response.end(resolve);
    });
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#response.destroy();
  }
}
