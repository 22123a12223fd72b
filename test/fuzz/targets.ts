/**
 * Everything in this project that takes bytes from somebody it must not trust: what peers send, and what publishers put into their files.
 * A new decoder belongs into this table the day it is written.
 */
import { fromWire } from "@swarmd/daemon/announce/wire-form";
import { readGguf } from "@swarmd/daemon/formats/gguf";
import { readSafetensors } from "@swarmd/daemon/formats/safetensors";
import { readWeightIndex } from "@swarmd/daemon/formats/weight-index";
import { parseRangeHeader } from "@swarmd/daemon/transport/lanes/byte-range";
import { parseResponseHead } from "@swarmd/daemon/transport/lanes/response-head";
import {
  type ErrorCode,
  parseBlobId,
  parseCommitId,
  parseNodeId,
  parseRepoSpec,
  parseRevision,
} from "@swarmd/protocol";
import {
  COPIES_BYTES_MAX,
  type CopiesRequest,
  type CopiesResponse,
  decodeControlRequest,
  decodeControlResponse,
  decodeCopiesRequest,
  decodeCopiesResponse,
  decodeFileList,
  decodeGrant,
  decodeMember,
  decodeMemberRequest,
  decodeMemberResponse,
  decodeNews,
  decodePairFrame,
  decodePublication,
  decodeShardAnswer,
  decodeShardRequest,
  decodeShelfNews,
  encodeControlRequest,
  encodeControlResponse,
  encodeCopiesRequest,
  encodeCopiesResponse,
  encodeFileList,
  encodeGrant,
  encodeMember,
  encodeMemberRequest,
  encodeMemberResponse,
  encodeNews,
  encodePairFrame,
  encodePublication,
  encodeShardAnswer,
  encodeShardRequest,
  encodeShelfNews,
  GOSSIP_BYTES_MAX,
  type Grant,
  KEEP_BLOBS_MAX,
  LEASE_MS_MAX,
  LIST_BYTES_MAX,
  type PeerNews,
  type Publication,
  type Refusal,
  SHELF_ENTRIES_MAX,
  type WireMember,
} from "@swarmd/protocol/wire";
import { EVIDENCE_TARGETS } from "./evidence-targets.js";
import { PROOF_TARGETS } from "./proof-targets.js";
import { RANGE_CHECK_TARGET } from "./range-check-target.js";
import { gguf, safetensors } from "./samples.js";

export interface FuzzTarget {
  readonly name: string;
  /** Reads the bytes, and whatever must hold of what was read is asserted here too. */
  readonly decode: (bytes: Uint8Array) => void;
  /** The only errors that bad bytes may lead to. */
  readonly codes: readonly ErrorCode[];
  /** Where mutation begins: one good input of each kind. */
  readonly samples: readonly Uint8Array[];
  /** Words that mean something to this decoder. */
  readonly words?: readonly string[];
}

const BLOB = parseBlobId(`sha256:${"5a".repeat(32)}`);
const PEER = parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1");
const { repo: REPO } = parseRepoSpec("datasets/org/name");
const COMMIT = parseCommitId("c1".repeat(20));
const MEMBER: WireMember = { id: PEER, name: "rack-1", addresses: ["/ip4/192.168.1.7/tcp/7482"], silentMs: 12 };
const GRANT: Grant = {
  swarmKey: `/key/swarm/psk/1.0.0/\n/base16/\n${"a1".repeat(32)}`,
  name: "lab",
  shareGated: "members",
  generation: 3,
  clusterId: "0f".repeat(16),
  members: [MEMBER],
};
const REFUSAL: Refusal = { code: "PEER_BUSY", message: "all slots taken", retryAfterMs: 50, redirect: [PEER] };
const NEWS: PeerNews = {
  hello: {
    protocolVersion: 1,
    revision: 7,
    agent: "swarmd/0.1.0",
    lanes: [{ host: "192.168.1.7", port: 7481, class: "ethernet", speedBytesPerS: 125e6, prefixBits: 24 }],
  },
  records: [
    {
      epoch: 5,
      sequence: 9,
      ttlMs: 30_000,
      isFull: true,
      capacityBytesPerS: 125e6,
      freeSlots: 3,
      blobs: [
        { blob: BLOB, sizeBytes: 5e9, wants: true, mayFetch: true, holds: { kind: "all" }, rooted: [] },
        {
          blob: parseBlobId(`git-sha1:${"0f".repeat(20)}`),
          sizeBytes: 400e6,
          wants: true,
          mayFetch: false,
          holds: { kind: "exactly", size: 24, bits: Uint8Array.of(255, 1, 128) },
          rooted: [3, 4],
        },
        {
          blob: BLOB,
          sizeBytes: 5e9,
          wants: false,
          mayFetch: true,
          holds: { kind: "more", shards: [1, 200, 70_000] },
          rooted: [2],
        },
      ],
    },
  ],
  bye: false,
};

const PUBLICATION: Publication = {
  timeMs: 1_700_000_000_000,
  cluster: "open",
  repo: REPO,
  revision: parseRevision("v1.0"),
  commit: parseCommitId("c0".repeat(20)),
  listSha256: "1f".repeat(32),
  listBytes: 120,
  files: 2,
  bytes: 5e9,
  publisher: PEER,
  signature: new Uint8Array(64).fill(7),
};
const SHELF = [
  { repo: REPO, commit: PUBLICATION.commit, files: 2, bytes: 5e9, publication: PUBLICATION },
  { repo: parseRepoSpec("org/model").repo, commit: PUBLICATION.commit, files: 9, bytes: 1, publication: undefined },
];

/** What was read can be written, and reads the same again: nothing is kept that the format can't say. */
function stable<Value>(decode: (bytes: Uint8Array) => Value, encode: (value: Value) => Uint8Array) {
  return (bytes: Uint8Array): Value => {
    const value = decode(bytes);
    const again = encode(decode(encode(value)));
    if (Buffer.compare(again, encode(value)) !== 0) throw new Error("what was read is not stable");
    return value;
  };
}

/** There is one way only to write what was read: what is signed or hashed must not have two. */
function exact<Value>(decode: (bytes: Uint8Array) => Value, encode: (value: Value) => Uint8Array) {
  return (bytes: Uint8Array): Value => {
    const value = decode(bytes);
    if (Buffer.compare(encode(value), bytes) !== 0) throw new Error("what was read is written in another way");
    return value;
  };
}

const utf8 = (text: string) => new TextEncoder().encode(text);
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");

const PEER_ONLY: readonly ErrorCode[] = ["PEER_FAULT"];
const CONTENT_ONLY: readonly ErrorCode[] = ["CONTENT_INVALID"];

export const TARGETS: readonly FuzzTarget[] = [
  {
    name: "news",
    decode: (bytes) => {
      const { records } = stable((some: Uint8Array) => decodeNews(some, GOSSIP_BYTES_MAX), encodeNews)(bytes);
      for (const record of records) fromWire(record);
    },
    codes: PEER_ONLY,
    samples: [encodeNews(NEWS), encodeNews({ records: [], bye: true })],
  },
  {
    name: "publication",
    decode: (bytes) => {
      const { files, listBytes } = exact(decodePublication, encodePublication)(bytes);
      if (files < 1 || listBytes > LIST_BYTES_MAX) throw new Error(`${files} files in ${listBytes} bytes`);
    },
    codes: PEER_ONLY,
    samples: [encodePublication(PUBLICATION)],
  },
  {
    name: "file-list",
    decode: (bytes) => {
      for (const { path, blob } of exact(decodeFileList, encodeFileList)(bytes)) {
        if (path.startsWith("/") || path.split("/").includes("..")) throw new Error(`it took the name ${path}`);
        if (blob.startsWith("url:")) throw new Error("it took a blob that can't be checked");
      }
    },
    codes: PEER_ONLY,
    samples: [
      encodeFileList([
        { path: "config.json", sizeBytes: 2, blob: parseBlobId(`git-sha1:${"0f".repeat(20)}`) },
        { path: "sub/model.gguf", sizeBytes: 5e9, blob: BLOB },
      ]),
      encodeFileList([]),
    ],
    words: ["../", "/", "\u0000", "CON"],
  },
  {
    name: "shelf-news",
    decode: (bytes) => {
      const { entries, gone } = exact(decodeShelfNews, encodeShelfNews)(bytes);
      if (entries.length > SHELF_ENTRIES_MAX || gone.length > SHELF_ENTRIES_MAX) throw new Error("too many entries");
    },
    codes: PEER_ONLY,
    samples: [
      encodeShelfNews({ epoch: 7, sequence: 9, isFull: true, entries: SHELF, gone: [] }),
      encodeShelfNews({ epoch: 7, sequence: 10, isFull: false, entries: [], gone: SHELF }),
    ],
  },
  {
    name: "control-request",
    decode: stable(decodeControlRequest, encodeControlRequest),
    codes: PEER_ONLY,
    samples: [encodeControlRequest({ type: "ticket", blob: BLOB, encrypted: true, hasAccess: true })],
  },
  {
    name: "control-response",
    decode: stable(decodeControlResponse, encodeControlResponse),
    codes: PEER_ONLY,
    samples: [
      encodeControlResponse({ type: "refusal", refusal: REFUSAL }),
      encodeControlResponse({
        type: "ticket",
        ticket: { ticket: "abc.def", validMs: 60_000, certificateSha256: "0a".repeat(32), port: 7481 },
      }),
    ],
  },
  {
    name: "copies-request",
    decode: (bytes) => {
      const request = stable<CopiesRequest>(decodeCopiesRequest, encodeCopiesRequest)(bytes);
      if (bytes.length > COPIES_BYTES_MAX) throw new Error(`it took ${bytes.length} bytes`);
      if (request.type === "keep" && request.blobs.length > KEEP_BLOBS_MAX) throw new Error("too many blobs");
      if (request.type === "place" && request.leaseMs > LEASE_MS_MAX) throw new Error(`a lease of ${request.leaseMs}`);
    },
    codes: PEER_ONLY,
    samples: [
      encodeCopiesRequest({ type: "keep", blobs: [BLOB, parseBlobId(`git-sha1:${"0f".repeat(20)}`)] }),
      encodeCopiesRequest({
        type: "place",
        repo: REPO,
        commit: COMMIT,
        sizeBytes: 5e9,
        leaseMs: 3_600_000,
        isJustAsking: true,
      }),
    ],
    words: ["datasets/", "../", "@"],
  },
  {
    name: "copies-response",
    decode: (bytes) => {
      const response = stable<CopiesResponse>(decodeCopiesResponse, encodeCopiesResponse)(bytes);
      if (response.type === "kept" && response.blobs.length > KEEP_BLOBS_MAX) throw new Error("too many blobs");
    },
    codes: PEER_ONLY,
    samples: [
      encodeCopiesResponse({ type: "kept", blobs: [BLOB] }),
      encodeCopiesResponse({ type: "placed", answer: "coming", roomBytes: 5e9 }),
    ],
  },
  {
    name: "shard-request",
    decode: stable(decodeShardRequest, encodeShardRequest),
    codes: PEER_ONLY,
    samples: [encodeShardRequest({ blob: BLOB, startBytes: 16_777_216, endBytes: 33_554_432 })],
  },
  {
    name: "shard-answer",
    decode: stable(decodeShardAnswer, encodeShardAnswer),
    codes: PEER_ONLY,
    samples: [
      encodeShardAnswer({ type: "bytes", sizeBytes: 5e9, startBytes: 0, endBytes: 16_777_216 }),
      encodeShardAnswer({ type: "refusal", refusal: REFUSAL }),
    ],
  },
  {
    name: "member-request",
    decode: stable(decodeMemberRequest, encodeMemberRequest),
    codes: PEER_ONLY,
    samples: [
      encodeMemberRequest({ type: "introduce", members: [MEMBER] }),
      encodeMemberRequest({ type: "rotate", grant: GRANT }),
      encodeMemberRequest({ type: "leave" }),
      encodeMemberRequest({ type: "resolve", repo: REPO, revision: parseRevision("refs/pr/1") }),
      encodeMemberRequest({ type: "list-files", repo: REPO, commit: COMMIT, from: 77 }),
    ],
    words: ["/key/swarm/psk/1.0.0/\n/base16/\n", "/ip4/", "/tcp/", "datasets/", "@"],
  },
  {
    name: "member-response",
    decode: stable(decodeMemberResponse, encodeMemberResponse),
    codes: PEER_ONLY,
    samples: [
      encodeMemberResponse({ type: "introduce", members: [MEMBER] }),
      encodeMemberResponse({ type: "resolved", commit: COMMIT, isPrivate: true, ageMs: 5 }),
      encodeMemberResponse({
        type: "files",
        total: 1,
        files: [{ path: "a/b.json", sizeBytes: 9, blob: BLOB, xetHash: "3c".repeat(32) }],
      }),
      encodeMemberResponse({ type: "refusal", code: "PEER_LACKS", message: "nothing" }),
    ],
    words: ["../", "NO_SPACE", "PEER_BUSY"],
  },
  {
    name: "pairing",
    decode: stable(decodePairFrame, encodePairFrame),
    codes: PEER_ONLY,
    samples: [
      encodePairFrame({ type: "hello", version: 1, tag: "K7", nodeId: PEER, login: Uint8Array.of(1, 2, 3) }),
      encodePairFrame({ type: "challenge", nodeId: PEER, login: Uint8Array.of(4), triesLeft: 2 }),
      encodePairFrame({ type: "proof", login: Uint8Array.of(5), sealed: Uint8Array.of(6, 7) }),
      encodePairFrame({ type: "grant", sealed: Uint8Array.of(8) }),
      encodePairFrame({ type: "refusal", code: "ACCESS_DENIED", message: "void" }),
    ],
    words: ["K7", "ACCESS_DENIED"],
  },
  {
    name: "grant",
    decode: stable(decodeGrant, encodeGrant),
    codes: PEER_ONLY,
    samples: [encodeGrant(GRANT)],
    words: ["/key/swarm/psk/1.0.0/\n/base16/\n", "\n"],
  },
  {
    name: "member",
    decode: stable(decodeMember, encodeMember),
    codes: PEER_ONLY,
    samples: [encodeMember(MEMBER)],
    words: ["/ip4/", "/ip6/", "/tcp/"],
  },
  ...PROOF_TARGETS,
  {
    name: "lane-response-head",
    decode: (bytes) => {
      const { lengthBytes } = parseResponseHead(latin1(bytes));
      if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 0) throw new Error(`a length of ${lengthBytes}`);
    },
    codes: PEER_ONLY,
    samples: [
      utf8("HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nContent-Range: bytes 5-14/100\r\nETag: x"),
      utf8("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 2\r\nConnection: close"),
    ],
    words: ["Content-Length: ", "Content-Range: bytes ", "Transfer-Encoding: chunked", "\r\n", "Connection: close"],
  },
  {
    name: "lane-range",
    decode: (bytes) => {
      const range = parseRangeHeader(latin1(bytes));
      if (range === undefined || range === "unsatisfiable") return;
      const { startBytes, endBytes = startBytes + 1 } = range;
      if (!(endBytes > startBytes)) throw new Error(`a range from ${startBytes} to ${endBytes}`);
    },
    codes: [],
    samples: [utf8("bytes=0-99"), utf8("bytes=7-"), utf8("bytes=-5"), utf8("bytes=0-1,3-4")],
    words: ["bytes=", "-", ",", "999999999999999"],
  },
  {
    name: "safetensors",
    decode: (bytes) => checkTensors(readSafetensors(bytes, bytes.length), bytes.length),
    codes: CONTENT_ONLY,
    samples: [
      safetensors({
        __metadata__: { format: "pt" },
        a: { dtype: "BF16", shape: [2, 3], data_offsets: [0, 12] },
        b: { dtype: "F8_E4M3", shape: [4], data_offsets: [12, 16] },
      }),
      safetensors({}),
    ],
    words: ['"data_offsets":[', '"shape":[', '"dtype":"F32"', "1e308", "-1", "__proto__", "9007199254740993", "null"],
  },
  {
    name: "gguf",
    decode: (bytes) => checkTensors(readGguf(bytes, bytes.length), bytes.length),
    codes: CONTENT_ONLY,
    samples: [gguf()],
    words: ["GGUF", "general.alignment", "\xff\xff\xff\xff\xff\xff\xff\x7f", "\x09\x00\x00\x00"],
  },
  {
    name: "weight-index",
    decode: (bytes) => {
      for (const file of readWeightIndex(bytes).files.values()) {
        if (file.startsWith("/") || file.split("/").includes("..")) throw new Error(`it took the name ${file}`);
      }
    },
    codes: CONTENT_ONLY,
    samples: [
      utf8(
        JSON.stringify({
          metadata: { total_size: 10 },
          weight_map: { a: "model-1.safetensors", b: "x/y.safetensors" },
        }),
      ),
    ],
    words: ['"weight_map":{', "../", "..\\\\", "\\u0000", "C:", "__proto__", "null"],
  },
  ...EVIDENCE_TARGETS,
  RANGE_CHECK_TARGET,
];

/** Tensors lie in the file, in order, one behind the other. */
function checkTensors(reading: ReturnType<typeof readGguf>, fileBytes: number): void {
  if (reading.kind === "more") throw new Error("it asks for more than the whole file");
  let at = reading.file.headBytes;
  for (const { name, startBytes, endBytes } of reading.file.tensors) {
    if (startBytes < at || endBytes < startBytes || endBytes > fileBytes) throw new Error(`${name} lies nowhere`);
    at = endBytes;
  }
}
