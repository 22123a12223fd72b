/**
 * Bytes <-> domain types: the only importer of generated code.
 *
 * Decoders take whatever a peer sends. They give a value in which every number, length and count is within its limit, or throw
 * PEER_FAULT; nothing else, and without using more memory than a small multiple of the bytes.
 */
import { type ErrorCode, isErrorCode, SwarmError } from "../errors.js";
import { type NodeId, parseNodeId } from "../ids.js";
import { bitfieldBytes } from "./bitfield.js";
import { bytesToHex, decodeBlobId, encodeBlobId, hexToBytes } from "./blob-bytes.js";
import { fault, guarded, printable, whole, within } from "./checks.js";
import {
  type AnnouncementMessage,
  type BlobNewsMessage,
  ControlRequestMessage,
  ControlResponseMessage,
  type HelloMessage,
  type LaneAddressMessage,
  NewsMessage,
  type RefusalMessage,
  ShardAnswerMessage,
  ShardRequestMessage,
  type TicketMessage,
} from "./generated/peer.js";
import {
  AGENT_LENGTH_MAX,
  BLOBS_MAX,
  CODE_LENGTH_MAX,
  CONTROL_BYTES_MAX,
  HOST_LENGTH_MAX,
  LANES_MAX,
  MESSAGE_LENGTH_MAX,
  RECORDS_MAX,
  REDIRECTS_MAX,
  SHARDS_LISTED_MAX,
  SHARDS_MAX,
  STATE_MESSAGE_BYTES_MAX,
  TICKET_LENGTH_MAX,
  TTL_MS_MAX,
} from "./limits.js";
import {
  type ControlRequest,
  type ControlResponse,
  type Hello,
  type LaneAddress,
  type LaneTicket,
  LINK_CLASSES,
  type PeerNews,
  type Refusal,
  type ShardAnswer,
  type ShardRequest,
  type WireAnnouncement,
  type WireBlobNews,
} from "./types.js";

const MOST_BYTES = Number.MAX_SAFE_INTEGER;
const ALL = 1;
const EXACTLY = 2;
const MORE = 3;

const NEWS_LIMITS = {
  hello: { lanes: LANES_MAX },
  records: RECORDS_MAX,
  records$: { blobs: BLOBS_MAX, blobs$: { more: SHARDS_LISTED_MAX, rooted: SHARDS_LISTED_MAX } },
};
const RESPONSE_LIMITS = { refusal: { redirect: REDIRECTS_MAX } };

/** The body of one gossip or state message. Not bounded: see {@link decodeNews} for what peers take. */
export function encodeNews({ hello, records, bye }: PeerNews): Uint8Array {
  return NewsMessage.encode({
    ...(hello === undefined ? {} : { hello: fromHello(hello) }),
    records: records.map(fromAnnouncement),
    bye,
  });
}

/** @throws SwarmError PEER_FAULT when it is no news, or too much of it */
export function decodeNews(bytes: Uint8Array, maxBytes: number = STATE_MESSAGE_BYTES_MAX): PeerNews {
  return guarded("news", bytes, maxBytes, () => {
    const { hello, records, bye } = NewsMessage.decode(bytes, { limits: NEWS_LIMITS });
    return {
      ...(hello === undefined ? {} : { hello: toHello(hello) }),
      records: records.map(toAnnouncement),
      bye,
    };
  });
}

export function encodeControlRequest(request: ControlRequest): Uint8Array {
  return ControlRequestMessage.encode({
    ticket: { blob: encodeBlobId(request.blob), encrypted: request.encrypted, hasAccess: request.hasAccess },
  });
}

/** @throws SwarmError PEER_FAULT */
export function decodeControlRequest(bytes: Uint8Array): ControlRequest {
  return guarded("a control request", bytes, CONTROL_BYTES_MAX, () => {
    const { ticket } = ControlRequestMessage.decode(bytes);
    if (ticket === undefined) throw new SwarmError("PEER_FAULT", "a peer asked a question this version does not know");
    const { encrypted, hasAccess } = ticket;
    return { type: "ticket", blob: decodeBlobId(ticket.blob), encrypted, hasAccess };
  });
}

export function encodeControlResponse(response: ControlResponse): Uint8Array {
  if (response.type === "refusal") return ControlResponseMessage.encode({ refusal: fromRefusal(response.refusal) });
  return ControlResponseMessage.encode({ ticket: fromTicket(response.ticket) });
}

/** @throws SwarmError PEER_FAULT */
export function decodeControlResponse(bytes: Uint8Array): ControlResponse {
  return guarded("a control response", bytes, CONTROL_BYTES_MAX, () => {
    const { ticket, refusal } = ControlResponseMessage.decode(bytes, { limits: RESPONSE_LIMITS });
    if (ticket !== undefined) return { type: "ticket", ticket: toTicket(ticket) };
    if (refusal !== undefined) return { type: "refusal", refusal: toRefusal(refusal) };
    throw new SwarmError("PEER_FAULT", "a peer's answer is empty");
  });
}

export function encodeShardRequest({ blob, startBytes, endBytes }: ShardRequest): Uint8Array {
  return ShardRequestMessage.encode({ blob: encodeBlobId(blob), startBytes, endBytes });
}

/** @throws SwarmError PEER_FAULT */
export function decodeShardRequest(bytes: Uint8Array): ShardRequest {
  return guarded("a shard request", bytes, CONTROL_BYTES_MAX, () => {
    const { blob, startBytes, endBytes } = ShardRequestMessage.decode(bytes);
    const start = whole("a start", startBytes);
    return { blob: decodeBlobId(blob), startBytes: start, endBytes: within("an end", endBytes, start + 1, MOST_BYTES) };
  });
}

export function encodeShardAnswer(answer: ShardAnswer): Uint8Array {
  if (answer.type === "refusal") return ShardAnswerMessage.encode({ refusal: fromRefusal(answer.refusal) });
  const { sizeBytes, startBytes, endBytes } = answer;
  return ShardAnswerMessage.encode({ sizeBytes, startBytes, endBytes });
}

/** @throws SwarmError PEER_FAULT */
export function decodeShardAnswer(bytes: Uint8Array): ShardAnswer {
  return guarded("a shard answer", bytes, CONTROL_BYTES_MAX, () => {
    const message = ShardAnswerMessage.decode(bytes, { limits: { refusal: RESPONSE_LIMITS.refusal } });
    if (message.refusal !== undefined) return { type: "refusal", refusal: toRefusal(message.refusal) };
    const startBytes = whole("a start", message.startBytes);
    const endBytes = within("an end", message.endBytes, startBytes, MOST_BYTES);
    return {
      type: "bytes",
      sizeBytes: within("a size", message.sizeBytes, endBytes, MOST_BYTES),
      startBytes,
      endBytes,
    };
  });
}

function fromHello(hello: Hello): HelloMessage {
  return { ...hello, lanes: hello.lanes.map(fromLane) };
}

function toHello(message: HelloMessage): Hello {
  return {
    protocolVersion: message.protocolVersion,
    revision: whole("a hello's revision", message.revision),
    agent: printable("an agent", message.agent, AGENT_LENGTH_MAX),
    lanes: message.lanes.map(toLane),
  };
}

function fromLane(lane: LaneAddress): LaneAddressMessage {
  const { host, port, speedBytesPerS, prefixBits } = lane;
  return { host, port, linkClass: LINK_CLASSES.indexOf(lane.class) + 1, speedBytesPerS, prefixBits };
}

function toLane({ host, port, linkClass, speedBytesPerS, prefixBits }: LaneAddressMessage): LaneAddress {
  const known = LINK_CLASSES[linkClass - 1];
  if (!/^[0-9a-fA-F.:]{2,45}$/.test(host) || host.length > HOST_LENGTH_MAX)
    throw fault("a lane's host is no IP address");
  return {
    host,
    port: within("a port", port, 1, 65_535),
    // A class that a later version added: usable, but nobody knows how good.
    class: known ?? "routed",
    speedBytesPerS: whole("a speed", speedBytesPerS),
    prefixBits: within("a prefix", prefixBits, 0, 128),
  };
}

function fromAnnouncement(record: WireAnnouncement): AnnouncementMessage {
  return { ...record, blobs: record.blobs.map(fromBlobNews) };
}

function toAnnouncement(message: AnnouncementMessage): WireAnnouncement {
  const { isFull, freeSlots } = message;
  return {
    epoch: whole("an epoch", message.epoch),
    sequence: whole("a sequence", message.sequence),
    ttlMs: Math.min(TTL_MS_MAX, whole("a TTL", message.ttlMs)),
    isFull,
    capacityBytesPerS: whole("a capacity", message.capacityBytesPerS),
    freeSlots,
    blobs: message.blobs.map(toBlobNews),
  };
}

function fromBlobNews({ blob, sizeBytes, wants, mayFetch, holds, rooted, hasAccess }: WireBlobNews): BlobNewsMessage {
  const message: BlobNewsMessage = {
    blob: encodeBlobId(blob),
    sizeBytes,
    wants,
    mayFetch,
    holdsKind: ALL,
    exactly: new Uint8Array(0),
    exactlySize: 0,
    more: [],
    rooted: [...rooted],
    hasAccess: hasAccess === true,
  };
  if (holds.kind === "exactly") return { ...message, holdsKind: EXACTLY, exactly: holds.bits, exactlySize: holds.size };
  if (holds.kind === "more") return { ...message, holdsKind: MORE, more: [...holds.shards] };
  return message;
}

function toBlobNews(message: BlobNewsMessage): WireBlobNews {
  const { wants, mayFetch, hasAccess } = message;
  return {
    blob: decodeBlobId(message.blob),
    sizeBytes: whole("a blob's size", message.sizeBytes),
    wants,
    mayFetch,
    holds: toHolds(message),
    rooted: shards(message.rooted),
    ...(hasAccess ? { hasAccess } : {}),
  };
}

function toHolds({ holdsKind, exactly, exactlySize, more }: BlobNewsMessage): WireBlobNews["holds"] {
  if (holdsKind === ALL) return { kind: "all" };
  if (holdsKind === MORE) return { kind: "more", shards: shards(more) };
  if (holdsKind !== EXACTLY) throw fault(`a holding of kind ${holdsKind}`);
  if (exactlySize > SHARDS_MAX || exactly.length !== bitfieldBytes(exactlySize)) {
    throw fault(`a bitfield of ${exactly.length} bytes for ${exactlySize} shards`);
  }
  // A copy: the decoder's bytes are a view of the whole message, which would live as long as the holding. A Buffer's `slice` is none.
  return { kind: "exactly", size: exactlySize, bits: new Uint8Array(exactly) };
}

function shards(list: readonly number[]): readonly number[] {
  for (const shard of list) within("a shard", shard, 0, SHARDS_MAX - 1);
  return list;
}

function fromTicket({ ticket, validMs, port, certificateSha256 }: LaneTicket): TicketMessage {
  return { ticket, validMs, port: port ?? 0, certificateSha256: hexToBytes(certificateSha256 ?? "") };
}

function toTicket({ ticket, validMs, port, certificateSha256 }: TicketMessage): LaneTicket {
  const { length } = certificateSha256;
  if (length !== 0 && length !== 32) throw fault(`a SHA-256 of ${length} bytes`);
  return {
    ticket: printable("a ticket", ticket, TICKET_LENGTH_MAX),
    validMs: whole("a ticket's life", validMs),
    ...(length === 0 ? {} : { certificateSha256: bytesToHex(certificateSha256) }),
    ...(port === 0 ? {} : { port: within("a port", port, 1, 65_535) }),
  };
}

function fromRefusal({ code, message, retryAfterMs, redirect }: Refusal): RefusalMessage {
  return {
    code,
    message: [...message].slice(0, MESSAGE_LENGTH_MAX).join(""),
    retryAfterMs: retryAfterMs ?? 0,
    redirect: redirect.slice(0, REDIRECTS_MAX),
  };
}

function toRefusal({ code, message, retryAfterMs, redirect }: RefusalMessage): Refusal {
  return {
    code: refusalCode(printable("a code", code, CODE_LENGTH_MAX)),
    // People read it in a terminal: no control characters.
    message: message.slice(0, MESSAGE_LENGTH_MAX).replace(/\p{Cc}/gu, " "),
    ...(retryAfterMs === 0 ? {} : { retryAfterMs: whole("a delay", retryAfterMs) }),
    redirect: redirect.map((id): NodeId => parseNodeId(id)),
  };
}

/** A peer may only say of itself what a peer can say; it can't make us believe that our disk is full. */
function refusalCode(code: string): ErrorCode {
  return isErrorCode(code) && code.startsWith("PEER_") ? code : "PEER_FAULT";
}
