/** Bytes <-> what nodes ask of each other about copies. As in `codec.ts`: everything within its limits, or PEER_FAULT. */
import { SwarmError } from "../errors.js";
import { type BlobId, type CommitId, formatRepo, parseCommitId, parseRepoSpec, type RepoRef } from "../ids.js";
import { decodeBlobId, encodeBlobId } from "./blob-bytes.js";
import { fault, guarded, within } from "./checks.js";
import { CopiesRequestMessage, CopiesResponseMessage } from "./generated/keep.js";
import { COPIES_BYTES_MAX, KEEP_BLOBS_MAX, LEASE_MS_MAX } from "./limits.js";

export const PLACE_ANSWERS = ["here", "coming", "full", "no"] as const;
export type PlaceAnswer = (typeof PLACE_ANSWERS)[number];

export interface PlaceRequest {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  readonly sizeBytes: number;
  readonly leaseMs: number;
  readonly isJustAsking: boolean;
}

export type CopiesRequest =
  | { readonly type: "keep"; readonly blobs: readonly BlobId[] }
  | ({ readonly type: "place" } & PlaceRequest);

export type CopiesResponse =
  | { readonly type: "kept"; readonly blobs: readonly BlobId[] }
  | { readonly type: "placed"; readonly answer: PlaceAnswer; readonly roomBytes: number };

const REQUEST_LIMITS = { keep: { blobs: KEEP_BLOBS_MAX } };
const RESPONSE_LIMITS = { kept: { blobs: KEEP_BLOBS_MAX } };

export function encodeCopiesRequest(request: CopiesRequest): Uint8Array {
  if (request.type === "keep") return CopiesRequestMessage.encode({ keep: { blobs: request.blobs.map(encodeBlobId) } });
  const { repo, commit, sizeBytes, leaseMs, isJustAsking } = request;
  return CopiesRequestMessage.encode({ place: { repo: formatRepo(repo), commit, sizeBytes, leaseMs, isJustAsking } });
}

/** @throws SwarmError PEER_FAULT */
export function decodeCopiesRequest(bytes: Uint8Array): CopiesRequest {
  return guarded("a question about copies", bytes, COPIES_BYTES_MAX, () => {
    const { keep, place } = CopiesRequestMessage.decode(bytes, { limits: REQUEST_LIMITS });
    if (keep !== undefined) return { type: "keep", blobs: keep.blobs.map(decodeBlobId) };
    if (place === undefined) throw new SwarmError("PEER_FAULT", "a peer asked a question this version does not know");
    const { repo, revision } = parseRepoSpec(place.repo);
    if (revision !== undefined) throw fault("a repo with a revision");
    return {
      type: "place",
      repo,
      commit: parseCommitId(place.commit),
      sizeBytes: within("a size", place.sizeBytes, 0, Number.MAX_SAFE_INTEGER),
      leaseMs: Math.min(LEASE_MS_MAX, within("a lease", place.leaseMs, 0, Number.MAX_SAFE_INTEGER)),
      isJustAsking: place.isJustAsking,
    };
  });
}

export function encodeCopiesResponse(response: CopiesResponse): Uint8Array {
  if (response.type === "kept") {
    return CopiesResponseMessage.encode({ kept: { blobs: response.blobs.map(encodeBlobId) } });
  }
  const answer = PLACE_ANSWERS.indexOf(response.answer) + 1;
  return CopiesResponseMessage.encode({ placed: { answer, roomBytes: response.roomBytes } });
}

/** @throws SwarmError PEER_FAULT */
export function decodeCopiesResponse(bytes: Uint8Array): CopiesResponse {
  return guarded("an answer about copies", bytes, COPIES_BYTES_MAX, () => {
    const { kept, placed } = CopiesResponseMessage.decode(bytes, { limits: RESPONSE_LIMITS });
    if (kept !== undefined) return { type: "kept", blobs: kept.blobs.map(decodeBlobId) };
    if (placed === undefined) throw new SwarmError("PEER_FAULT", "a peer's answer is empty");
    const answer = PLACE_ANSWERS[placed.answer - 1];
    if (answer === undefined) throw fault("an answer this version does not know");
    return {
      type: "placed",
      answer,
      roomBytes: within("a room", placed.roomBytes, 0, Number.MAX_SAFE_INTEGER),
    };
  });
}
