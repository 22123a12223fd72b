/**
 * Answers a request with a content: conditions, ranges, encoding, and the faults that strike bodies.
 * The way of the bytes is short: big slices from the reader, one write on its way while the next slice is read.
 */
import { setImmediate } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { bytesContent, type Content, type ContentReader, readContent } from "./content.js";
import { sha1Hex } from "./digest.js";
import type { Exchange } from "./exchange.js";
import { cutPointOf } from "./faults.js";
import { unreadBytes } from "./kernel-queues.js";
import type { FileAccountEntry } from "./ledger.js";
import { allowsRange, type ByteRange, isUnmodifiedSince, matchesEtag, parseRange } from "./ranges.js";
import { Throttle } from "./throttle.js";

export interface Body {
  readonly content: Content;
  readonly contentType: string;
  /** Name in the counters; absent for JSON, which is counted apart. */
  readonly file?: string;
  readonly etag?: string | undefined;
  readonly lastModified?: Date | undefined;
  /** Default true. */
  readonly ranges?: boolean;
  /** Default true. */
  readonly length?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What goes out of the content, and what goes wrong on the way. */
interface Delivery {
  readonly range: ByteRange;
  readonly hasLength: boolean;
  readonly cut:
    | { readonly at: number; readonly kind: "drop" | "truncate" | "stall"; readonly forMs: number | undefined }
    | undefined;
  /** Offset in the content of the byte that is flipped. */
  readonly flipAt: number | undefined;
  readonly throttles: readonly Throttle[];
}

/** Others get a turn after so many bytes: a fast client could otherwise keep the thread to itself. */
const TURN_BYTES = 8 * 1024 * 1024;
/** A reset throws away what waits in the kernel, so it comes only once the client has read; one that doesn't is given so long. */
const BEFORE_RESET_MS = 2_000;
/** From the client's read to its use of what it read. */
const AFTER_READ_MS = 25;
const TEXT = /^(?:text\/|application\/json)/;

/** Sends all or a part of a content, 304 or 416. Resolves when the answer is over, however it ended. */
export async function sendContent(ex: Exchange, body: Body): Promise<void> {
  const etag = ex.faults.take("etagChanged") ? changedEtag(body.etag) : body.etag;
  const validators = {
    ...(etag === undefined ? {} : { ETag: etag }),
    ...(body.lastModified === undefined ? {} : { "Last-Modified": body.lastModified.toUTCString() }),
  };
  const headers = { ...validators, ...body.headers };
  if (isNotModified(ex, etag, body.lastModified)) {
    ex.writeHead(304, headers);
    ex.res.end();
    return;
  }
  const range = wantedRange(ex, body, etag);
  if (range === "unsatisfiable") {
    ex.writeHead(416, { ...headers, "Content-Range": `bytes */${body.content.sizeBytes}`, "Content-Length": "0" });
    ex.res.end();
    return;
  }
  if (range === "whole" && acceptsGzip(ex, body)) return sendGzipped(ex, body, headers);
  await sendPlain(ex, body, range, headers);
}

/** A JSON answer. */
export async function sendJson(
  ex: Exchange,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const text = JSON.stringify(value);
  await sendContent(ex, {
    content: bytesContent(Buffer.from(text)),
    contentType: "application/json; charset=utf-8",
    etag: `W/"${sha1Hex(text).slice(0, 24)}"`,
    ranges: false,
    headers,
  });
}

/** An ETag of the same form that never stood for this content: a digest where it was one. */
export function changedEtag(etag: string | undefined): string {
  const hex = /[0-9a-f]{24,}/.exec(etag ?? "")?.[0];
  if (etag === undefined || hex === undefined) return '"changed"';
  return etag.replace(hex, (sha1Hex(hex) + sha1Hex(`${hex}2`)).slice(0, hex.length));
}

function isNotModified(ex: Exchange, etag: string | undefined, lastModified: Date | undefined): boolean {
  const condition = ex.req.headers["if-none-match"];
  if (condition !== undefined) return matchesEtag(condition, etag);
  return isUnmodifiedSince(ex.req.headers["if-modified-since"], lastModified);
}

function wantedRange(ex: Exchange, body: Body, etag: string | undefined): ByteRange | "whole" | "unsatisfiable" {
  const header = ex.req.headers.range;
  if (header === undefined || body.ranges === false || ex.faults.take("ignoreRange")) return "whole";
  const ifRange = ex.req.headers["if-range"];
  if (!allowsRange(typeof ifRange === "string" ? ifRange : undefined, etag, body.lastModified?.toUTCString()))
    return "whole";
  return parseRange(header, body.content.sizeBytes);
}

function acceptsGzip(ex: Exchange, body: Body): boolean {
  if (!ex.context.settings.gzipText || !TEXT.test(body.contentType) || ex.req.headers.range !== undefined) return false;
  if (body.file?.startsWith("files/") || body.content.sizeBytes === 0) return false;
  return /\bgzip\b/.test(String(ex.req.headers["accept-encoding"] ?? ""));
}

/** As the Hub sends text: gzipped, chunked, with a weak ETag, without a length. */
async function sendGzipped(ex: Exchange, body: Body, headers: Readonly<Record<string, string>>): Promise<void> {
  const packed = gzipSync(await readContent(body.content));
  const etag = headers.ETag;
  ex.writeHead(200, {
    ...headers,
    ...(etag === undefined || etag.startsWith("W/") ? {} : { ETag: `W/${etag}` }),
    "Content-Type": body.contentType,
    "Content-Encoding": "gzip",
    Vary: "Accept-Encoding",
  });
  if (ex.req.method === "HEAD") return void ex.res.end();
  const entry = openAccount(ex, body);
  const size = body.content.sizeBytes;
  const delivery = planDelivery(ex, { start: 0, end: packed.length }, false);
  await deliver(ex, await bytesContent(packed).open(), delivery, (start, end) => {
    // The file itself counts as sent once all of its packed form is.
    if (entry) entry.countSent(ex.client, 0, end === packed.length ? size : 0, end - start);
    else ex.context.ledger.countApiBytes(ex.client, end - start);
  });
}

async function sendPlain(
  ex: Exchange,
  body: Body,
  wanted: ByteRange | "whole",
  headers: Readonly<Record<string, string>>,
) {
  const size = body.content.sizeBytes;
  const range = wanted === "whole" ? { start: 0, end: size } : wanted;
  const hasLength = body.length !== false && !ex.faults.take("noLength");
  ex.writeHead(wanted === "whole" ? 200 : 206, {
    ...headers,
    "Content-Type": body.contentType,
    ...(body.ranges === false ? {} : { "Accept-Ranges": "bytes" }),
    ...(hasLength ? { "Content-Length": String(range.end - range.start) } : {}),
    ...(wanted === "whole" ? {} : { "Content-Range": `bytes ${range.start}-${range.end - 1}/${size}` }),
  });
  if (ex.req.method === "HEAD" || range.end === range.start) return void ex.res.end();
  const entry = openAccount(ex, body);
  const reader = await body.content.open();
  try {
    await deliver(ex, reader, planDelivery(ex, range, hasLength), (start, end) => {
      if (entry) entry.countSent(ex.client, start, end);
      else ex.context.ledger.countApiBytes(ex.client, end - start);
    });
  } finally {
    await reader.close();
  }
}

function openAccount(ex: Exchange, body: Body): FileAccountEntry | undefined {
  if (body.file === undefined) return undefined;
  return ex.context.ledger.openResponse(body.file, body.content.key, body.content.sizeBytes);
}

/** Asks which faults strike this body. */
function planDelivery(ex: Exchange, range: ByteRange, hasLength: boolean): Delivery {
  const length = range.end - range.start;
  const fits = (fault: { afterBytes?: number; atFraction?: number }) => cutPointOf(fault, length) < length;
  const cut = ex.faults.take("drop", fits) ?? ex.faults.take("truncate", fits) ?? ex.faults.take("stall", fits);
  const wrong = ex.faults.take("wrongBytes", (fault) =>
    fault.atByte === undefined ? fits(fault) : fault.atByte >= range.start && fault.atByte < range.end,
  );
  const slow = ex.faults.take("slow");
  const throttles = [slow && new Throttle(slow.bytesPerSecond), ex.connectionThrottle, ex.context.uplink];
  return {
    range,
    hasLength,
    cut: cut && {
      kind: cut.kind,
      at: range.start + cutPointOf(cut, length),
      forMs: cut.kind === "stall" ? cut.forMs : undefined,
    },
    flipAt: wrong && (wrong.atByte ?? range.start + cutPointOf(wrong, length)),
    throttles: throttles.filter((throttle) => throttle !== undefined),
  };
}

type CountSent = (start: number, end: number) => void;

async function deliver(ex: Exchange, reader: ContentReader, delivery: Delivery, count: CountSent): Promise<void> {
  const { range, cut } = delivery;
  // Headers first: a body that stalls at once, or waits for the uplink, is still an answer.
  ex.res.flushHeaders();
  if (!(await pump(ex, reader, delivery, range.start, cut?.at ?? range.end, count))) return;
  if (cut?.kind === "drop") return (await untilRead(ex)) ? ex.reset() : undefined;
  if (cut?.kind === "truncate") return delivery.hasLength ? ex.closeCleanly() : void ex.res.end();
  if (cut?.kind === "stall") {
    if (!(await ex.pause(cut.forMs))) return;
    if (!(await pump(ex, reader, delivery, cut.at, range.end, count))) return;
  }
  ex.res.end();
}

/** False when the client went away before. */
async function untilRead(ex: Exchange): Promise<boolean> {
  const end = performance.now() + BEFORE_RESET_MS;
  while (performance.now() < end && ((await unreadBytes(ex.req.socket)) ?? 0) > 0) {
    if (!(await ex.pause(1))) return false;
  }
  return ex.pause(AFTER_READ_MS);
}

/** Sends `[from, to)`. False when the client went away before the end. */
async function pump(
  ex: Exchange,
  reader: ContentReader,
  delivery: Delivery,
  from: number,
  to: number,
  count: CountSent,
): Promise<boolean> {
  let onItsWay: Promise<boolean> = Promise.resolve(true);
  let sinceTurn = 0;
  for (let at = from; at < to; ) {
    const quantum = Math.min(to - at, ...delivery.throttles.map((throttle) => throttle.quantumBytes));
    const slice = flip(await reader.read(at, quantum), at, delivery.flipAt);
    for (const throttle of delivery.throttles) await throttle.take(slice.length, () => ex.isClosed);
    if (!(await onItsWay)) return false;
    const start = at;
    at += slice.length;
    onItsWay = ex.write(slice).then((sent) => {
      if (sent) count(start, start + slice.length);
      return sent;
    });
    sinceTurn += slice.length;
    if (sinceTurn >= TURN_BYTES) {
      sinceTurn = 0;
      await setImmediate();
    }
  }
  return onItsWay;
}

function flip(slice: Uint8Array, offset: number, flipAt: number | undefined): Uint8Array {
  if (flipAt === undefined || flipAt < offset || flipAt >= offset + slice.length) return slice;
  const copy = Buffer.from(slice);
  copy[flipAt - offset] = (copy[flipAt - offset] as number) ^ 0xff;
  return copy;
}
