/** Bytes <-> what members say, and what is said while pairing. As in `codec.ts`: everything within its limits, or PEER_FAULT. */
import { type ErrorCode, isErrorCode, SwarmError } from "../errors.js";
import { formatRepo, isSha256Hex, parseCommitId, parseNodeId, parseRepoSpec, parseRevision } from "../ids.js";
import type { RepoFile } from "../manifest.js";
import { bytesToHex, decodeBlobId, encodeBlobId, hexToBytes } from "./blob-bytes.js";
import { fault, guarded, printable, whole, within } from "./checks.js";
import {
  type Grant,
  type MemberRequest,
  type MemberResponse,
  type PairFrame,
  SHARE_GATED,
  type WireMember,
} from "./cluster-types.js";
import {
  type FileMessage,
  GrantMessage,
  MemberMessage,
  type MemberRefusalMessage,
  MemberRequestMessage,
  MemberResponseMessage,
  PairFrameMessage,
} from "./generated/cluster.js";
import {
  CODE_LENGTH_MAX,
  FILES_MAX,
  FILES_PER_ANSWER_MAX,
  GRANT_MEMBERS_MAX,
  MEMBER_ADDRESSES_MAX,
  MEMBER_BYTES_MAX,
  MEMBER_NAME_LENGTH_MAX,
  MEMBERS_MAX,
  MESSAGE_LENGTH_MAX,
  PAIR_FRAME_BYTES_MAX,
  PATH_LENGTH_MAX,
} from "./limits.js";

const MEMBER_LIMITS = { addresses: MEMBER_ADDRESSES_MAX };
const GRANT_LIMITS = { members: GRANT_MEMBERS_MAX, members$: MEMBER_LIMITS };
const INTRODUCE_LIMITS = { members: MEMBERS_MAX, members$: MEMBER_LIMITS };
const REQUEST_LIMITS = { introduce: INTRODUCE_LIMITS, rotate: GRANT_LIMITS };
const RESPONSE_LIMITS = { introduce: INTRODUCE_LIMITS, files: { files: FILES_PER_ANSWER_MAX } };

/** What a pre-shared key of libp2p looks like, and nothing else does. */
const SWARM_KEY = /^\/key\/swarm\/psk\/1\.0\.0\/\n\/base16\/\n[0-9a-f]{64}\n?$/;
const CLUSTER_ID = /^[0-9a-f]{32}$/;
const TAG = /^[0-9A-Z]{2}$/;
const ADDRESS = /^\/ip[46]\/[0-9a-fA-F.:]{2,45}\/tcp\/[0-9]{1,5}$/;
/** More than the key exchange's messages take. */
const LOGIN_BYTES_MAX = 1024;
const TRIES_MAX = 100;

export function isSwarmKey(text: string): boolean {
  return SWARM_KEY.test(text);
}

export function encodeGrant(grant: Grant): Uint8Array {
  return GrantMessage.encode(fromGrant(grant));
}

/** @throws SwarmError PEER_FAULT */
export function decodeGrant(bytes: Uint8Array): Grant {
  return guarded("a grant", bytes, PAIR_FRAME_BYTES_MAX, () =>
    toGrant(GrantMessage.decode(bytes, { limits: GRANT_LIMITS })),
  );
}

export function encodeMember(member: WireMember): Uint8Array {
  return MemberMessage.encode(fromMember(member));
}

/** @throws SwarmError PEER_FAULT */
export function decodeMember(bytes: Uint8Array): WireMember {
  return guarded("a member", bytes, PAIR_FRAME_BYTES_MAX, () =>
    toMember(MemberMessage.decode(bytes, { limits: MEMBER_LIMITS })),
  );
}

export function encodeMemberRequest(request: MemberRequest): Uint8Array {
  switch (request.type) {
    case "introduce":
      return MemberRequestMessage.encode({ introduce: { members: request.members.map(fromMember) } });
    case "rotate":
      return MemberRequestMessage.encode({ rotate: fromGrant(request.grant) });
    case "leave":
      return MemberRequestMessage.encode({ leave: {} });
    case "resolve": {
      const { repo, revision } = request;
      return MemberRequestMessage.encode({ resolve: { repo: formatRepo(repo), revision } });
    }
    case "list-files": {
      const { repo, commit, from } = request;
      return MemberRequestMessage.encode({ listFiles: { repo: formatRepo(repo), commit, from } });
    }
  }
}

/** @throws SwarmError PEER_FAULT */
export function decodeMemberRequest(bytes: Uint8Array): MemberRequest {
  return guarded("a member's request", bytes, MEMBER_BYTES_MAX, () => {
    const message = MemberRequestMessage.decode(bytes, { limits: REQUEST_LIMITS });
    const { introduce, rotate, leave, resolve, listFiles } = message;
    if (introduce !== undefined) return { type: "introduce", members: introduce.members.map(toMember) };
    if (rotate !== undefined) return { type: "rotate", grant: toGrant(rotate) };
    if (leave !== undefined) return { type: "leave" };
    if (resolve !== undefined) {
      return { type: "resolve", repo: toRepo(resolve.repo), revision: parseRevision(resolve.revision) };
    }
    if (listFiles === undefined) throw fault("a request that this version does not know");
    const { repo, commit, from } = listFiles;
    return { type: "list-files", repo: toRepo(repo), commit: parseCommitId(commit), from };
  });
}

export function encodeMemberResponse(response: MemberResponse): Uint8Array {
  switch (response.type) {
    case "introduce":
      return MemberResponseMessage.encode({ introduce: { members: response.members.map(fromMember) } });
    case "done":
      return MemberResponseMessage.encode({ done: {} });
    case "resolved": {
      const { commit, isPrivate, ageMs } = response;
      return MemberResponseMessage.encode({ resolved: { commit, isPrivate, ageMs } });
    }
    case "files":
      return MemberResponseMessage.encode({ files: { total: response.total, files: response.files.map(fromFile) } });
    case "refusal":
      return MemberResponseMessage.encode({ refusal: fromRefusal(response) });
  }
}

/** @throws SwarmError PEER_FAULT */
export function decodeMemberResponse(bytes: Uint8Array): MemberResponse {
  return guarded("a member's answer", bytes, MEMBER_BYTES_MAX, () => {
    const message = MemberResponseMessage.decode(bytes, { limits: RESPONSE_LIMITS });
    const { introduce, done, resolved, files, refusal } = message;
    if (introduce !== undefined) return { type: "introduce", members: introduce.members.map(toMember) };
    if (done !== undefined) return { type: "done" };
    if (resolved !== undefined) {
      const { commit, isPrivate, ageMs } = resolved;
      return { type: "resolved", commit: parseCommitId(commit), isPrivate, ageMs: whole("an age", ageMs) };
    }
    if (files !== undefined) {
      return { type: "files", total: within("a count", files.total, 0, FILES_MAX), files: files.files.map(toFile) };
    }
    if (refusal === undefined) throw fault("an empty answer");
    return toRefusal(refusal);
  });
}

export function encodePairFrame(frame: PairFrame): Uint8Array {
  switch (frame.type) {
    case "hello": {
      const { version, tag, nodeId, login } = frame;
      return PairFrameMessage.encode({ hello: { version, tag, nodeId, login } });
    }
    case "challenge": {
      const { nodeId, login, triesLeft } = frame;
      return PairFrameMessage.encode({ challenge: { nodeId, login, triesLeft } });
    }
    case "proof":
      return PairFrameMessage.encode({ proof: { login: frame.login, sealed: frame.sealed } });
    case "grant":
      return PairFrameMessage.encode({ grant: { sealed: frame.sealed } });
    case "refusal":
      return PairFrameMessage.encode({ refusal: fromRefusal(frame) });
  }
}

/** @throws SwarmError PEER_FAULT */
export function decodePairFrame(bytes: Uint8Array): PairFrame {
  return guarded("a pairing frame", bytes, PAIR_FRAME_BYTES_MAX, () => {
    const { hello, challenge, proof, grant, refusal } = PairFrameMessage.decode(bytes);
    if (hello !== undefined) {
      if (!TAG.test(hello.tag)) throw fault("a tag that is none");
      const { version, tag, nodeId } = hello;
      return { type: "hello", version, tag, nodeId: parseNodeId(nodeId), login: toLogin(hello.login) };
    }
    if (challenge !== undefined) {
      const triesLeft = within("a number of tries", challenge.triesLeft, 0, TRIES_MAX);
      return { type: "challenge", nodeId: parseNodeId(challenge.nodeId), login: toLogin(challenge.login), triesLeft };
    }
    if (proof !== undefined)
      return { type: "proof", login: toLogin(proof.login), sealed: new Uint8Array(proof.sealed) };
    if (grant !== undefined) return { type: "grant", sealed: new Uint8Array(grant.sealed) };
    if (refusal === undefined) throw fault("an empty frame");
    return toRefusal(refusal);
  });
}

function fromMember({ id, name, addresses, silentMs }: WireMember): MemberMessage {
  return { id, name, addresses: [...addresses].slice(0, MEMBER_ADDRESSES_MAX), silentMs };
}

function toMember({ id, name, addresses, silentMs }: MemberMessage): WireMember {
  for (const address of addresses) if (!ADDRESS.test(address)) throw fault("an address that is none");
  return {
    id: parseNodeId(id),
    name: printable("a name", name, MEMBER_NAME_LENGTH_MAX),
    addresses,
    silentMs: whole("a time", silentMs),
  };
}

function fromGrant({ swarmKey, name, shareGated, generation, clusterId, members }: Grant): GrantMessage {
  return {
    swarmKey,
    name,
    shareGated: SHARE_GATED.indexOf(shareGated) + 1,
    generation,
    clusterId,
    members: members.slice(0, GRANT_MEMBERS_MAX).map(fromMember),
  };
}

function toGrant({ swarmKey, name, shareGated, generation, clusterId, members }: GrantMessage): Grant {
  if (!isSwarmKey(swarmKey)) throw fault("a swarm key that is none");
  if (!CLUSTER_ID.test(clusterId)) throw fault("a cluster's id that is none");
  const known = SHARE_GATED[shareGated - 1];
  if (known === undefined) throw fault("a rule for gated repos that this version does not know");
  return {
    swarmKey,
    name: printable("a name", name, MEMBER_NAME_LENGTH_MAX),
    shareGated: known,
    generation: whole("a generation", generation),
    clusterId,
    members: members.map(toMember),
  };
}

function fromFile({ path, sizeBytes, blob, xetHash }: RepoFile): FileMessage {
  return { path, sizeBytes, blob: encodeBlobId(blob), xetHash: hexToBytes(xetHash ?? "") };
}

/** The path is held against the rules for file names before anything is written, as one from the origin is. */
function toFile({ path, sizeBytes, blob, xetHash }: FileMessage): RepoFile {
  if (path === "" || path.length > PATH_LENGTH_MAX) throw fault("a path that is empty or too long");
  const id = decodeBlobId(blob);
  if (id.startsWith("url:")) throw fault("a file without a digest");
  const xet = bytesToHex(xetHash);
  if (xet !== "" && !isSha256Hex(xet)) throw fault(`a xet hash of ${xetHash.length} bytes`);
  return { path, sizeBytes: whole("a size", sizeBytes), blob: id, ...(xet === "" ? {} : { xetHash: xet }) };
}

function toRepo(text: string) {
  const { repo, revision } = parseRepoSpec(text);
  if (revision !== undefined) throw fault("a repo with a revision in its name");
  return repo;
}

function toLogin(bytes: Uint8Array): Uint8Array {
  within("a login's length", bytes.length, 1, LOGIN_BYTES_MAX);
  // A copy: the decoder's bytes are a view of what was received.
  return new Uint8Array(bytes);
}

function fromRefusal({ code, message }: { readonly code: ErrorCode; readonly message: string }): MemberRefusalMessage {
  return { code, message: [...message].slice(0, MESSAGE_LENGTH_MAX).join("") };
}

/** What another node may say of itself; it can't make us believe that our disk is full. */
function toRefusal({ code, message }: MemberRefusalMessage) {
  const named = printable("a code", code, CODE_LENGTH_MAX);
  const isOurs = isErrorCode(named) && (named.startsWith("PEER_") || ALLOWED.has(named));
  return {
    type: "refusal" as const,
    code: (isOurs ? named : "PEER_FAULT") as ErrorCode,
    message: message.slice(0, MESSAGE_LENGTH_MAX).replace(/\p{Cc}/gu, " "),
  };
}

const ALLOWED: ReadonlySet<string> = new Set<ErrorCode>(["ACCESS_DENIED", "REPO_NOT_FOUND", "REVISION_NOT_FOUND"]);

/** A refusal of a peer as an error. */
export function fromMemberRefusal(
  { code, message }: { readonly code: ErrorCode; readonly message: string },
  who: string,
) {
  return new SwarmError(code, `${who}: ${message}`);
}
