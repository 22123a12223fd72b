/** Whether an answer holds exactly the bytes that were asked for. */
import { SwarmError } from "@swarmd/protocol";
import type { Head } from "./exchange.js";
import { parseByteCount, parseContentRange } from "./header-fields.js";
import { showUrl } from "./origin-url.js";
import type { ByteSink } from "./ports.js";
import { changed } from "./range-target.js";

/** `[startBytes, endBytes)`, not empty. */
export interface Range {
  readonly startBytes: number;
  readonly endBytes: number;
}

export function isData(head: Head): boolean {
  return head.status === 200 || head.status === 206;
}

/**
 * Passes a 206 with the right Content-Range, and a 200 where the whole file was asked for.
 *
 * @throws SwarmError ORIGIN_CHANGED for another size of the file, ORIGIN_NO_RANGES where Range was ignored, ORIGIN_FAULT for the rest
 */
export function checkRangeAnswer(
  head: Head,
  range: Range,
  file: { readonly url: URL; readonly sizeBytes: number },
): void {
  const name = showUrl(file.url);
  const encoding = head.fields["content-encoding"] ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new SwarmError("ORIGIN_FAULT", `${name} came compressed, though it was asked for as it is`);
  }
  const lengthBytes = parseByteCount(head.fields["content-length"]);
  if (head.status === 200) checkWhole(lengthBytes, range, { name, sizeBytes: file.sizeBytes });
  else checkPart(head, range, { name, sizeBytes: file.sizeBytes, lengthBytes });
}

interface File {
  readonly name: string;
  readonly sizeBytes: number;
}

function checkWhole(lengthBytes: number | undefined, range: Range, { name, sizeBytes }: File): void {
  if (lengthBytes !== undefined && lengthBytes !== sizeBytes) throw changed(name);
  if (range.startBytes === 0 && range.endBytes === sizeBytes) return;
  throw new SwarmError("ORIGIN_NO_RANGES", `the server of ${name} ignores Range requests`, {
    hint: "It can be fetched only as one stream from the start.",
  });
}

function checkPart(head: Head, range: Range, file: File & { readonly lengthBytes: number | undefined }): void {
  const { name, sizeBytes, lengthBytes } = file;
  const sent = parseContentRange(head.fields["content-range"]);
  if (sent?.totalBytes !== undefined && sent.totalBytes !== sizeBytes) throw changed(name);
  const isExact = sent?.range?.startBytes === range.startBytes && sent.range.endBytes === range.endBytes;
  if (!isExact || (lengthBytes ?? range.endBytes - range.startBytes) !== range.endBytes - range.startBytes) {
    throw new SwarmError(
      "ORIGIN_FAULT",
      `${name} came with other bytes than ${range.startBytes}-${range.endBytes - 1}`,
    );
  }
}

/** The answer to a range that the server says is not there. */
export function explainUnsatisfied(head: Head, file: { readonly url: URL; readonly sizeBytes: number }): SwarmError {
  const total = parseContentRange(head.fields["content-range"])?.totalBytes;
  if (total !== undefined && total !== file.sizeBytes) return changed(showUrl(file.url));
  return new SwarmError("ORIGIN_FAULT", `${showUrl(file.url)} refuses a range that lies within it (416)`);
}

/** Between the wire and the reader's sink: no byte too many gets through, and a missing one does not go unnoticed. */
export class RangeSink implements ByteSink {
  readonly #sink: ByteSink;
  readonly #name: string;
  #missingBytes: number;

  constructor(sink: ByteSink, range: Range, url: URL) {
    this.#sink = sink;
    this.#name = showUrl(url);
    this.#missingBytes = range.endBytes - range.startBytes;
  }

  /** @throws SwarmError ORIGIN_FAULT */
  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#missingBytes -= chunk.length;
    if (this.#missingBytes < 0)
      throw new SwarmError("ORIGIN_FAULT", `${this.#name} came with more bytes than were asked for`);
    return this.#sink.write(chunk);
  }

  /** @throws SwarmError ORIGIN_UNREACHABLE: a connection that ended early looks just like this when nobody announced a length. */
  assertComplete(): void {
    if (this.#missingBytes === 0) return;
    throw new SwarmError("ORIGIN_UNREACHABLE", `${this.#name} ended ${this.#missingBytes} bytes too early`, {
      hint: "Try again; what has arrived is kept.",
    });
  }
}
