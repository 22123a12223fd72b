/** Makes publications and checks them. */
import { createHash, verify } from "node:crypto";
import { type CommitId, parseCommitId, type RepoFile, type RepoRef, type Revision } from "@swarmd/protocol";
import {
  commitBytes,
  decodeFileList,
  encodeFileList,
  type Publication,
  type PublicationBody,
  publishedBytes,
} from "@swarmd/protocol/wire";
import { findPublicKey } from "../verify/evidence/node-identity.js";
import type { Signer } from "./ports.js";

const COMMIT_DIGITS = 40;

export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The commit of these files under this name: as long as git's, and made of nothing else. */
export function commitOf(repo: RepoRef, list: Uint8Array): CommitId {
  return parseCommitId(sha256Hex(commitBytes(repo, list)).slice(0, COMMIT_DIGITS));
}

/** Says, for good, that these are this node's files under this name. */
export async function publish(
  what: {
    readonly repo: RepoRef;
    readonly revision: Revision;
    readonly files: readonly RepoFile[];
    readonly cluster: string;
    readonly timeMs: number;
  },
  signer: Signer,
): Promise<Publication> {
  const { repo, revision, files, cluster, timeMs } = what;
  const list = encodeFileList(files);
  const body: PublicationBody = {
    timeMs,
    cluster,
    repo,
    revision,
    commit: commitOf(repo, list),
    listSha256: sha256Hex(list),
    listBytes: list.length,
    files: files.length,
    bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    publisher: signer.id,
  };
  return { ...body, signature: await signer.sign(publishedBytes(body)) };
}

/** Whether its publisher has signed it. */
export function isSigned(publication: Publication): boolean {
  const key = findPublicKey(publication.publisher);
  return key !== undefined && verify(null, publishedBytes(publication), key, publication.signature);
}

/** The files of a publication, if these bytes are its list and its commit follows from them. @throws SwarmError PEER_FAULT for a list that can't be read */
export function findFiles(publication: Publication, list: Uint8Array): readonly RepoFile[] | undefined {
  if (sha256Hex(list) !== publication.listSha256) return undefined;
  if (commitOf(publication.repo, list) !== publication.commit) return undefined;
  return decodeFileList(list);
}

/** The list of a commit that lies in the cache, if that is what the publication speaks of. */
export function findList(publication: Publication, files: readonly RepoFile[]): Uint8Array | undefined {
  const list = encodeFileList(files);
  return sha256Hex(list) === publication.listSha256 ? list : undefined;
}
