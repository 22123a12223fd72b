/**
 * A publication: a node's signature under "this repo of mine, at this revision, is this list of files". No origin vouches for such a repo;
 * whoever pulls it decides whose word counts, and the signature says whose it is, whoever brings it.
 *
 * What is signed is {@link PUBLICATION_DOMAIN}, then everything but the signature, in one form only:
 *
 * ```
 * version u8 · time u64 (ms) · cluster u8+text · repo u8+text · revision u16+text · commit 20 bytes · list SHA-256 32 bytes ·
 * list length u32 · files u32 · bytes u64 · publisher u8+text
 * ```
 *
 * The list itself travels apart: it may be megabytes. Its commit follows from repo and list, so that the same files get the same
 * commit, and a commit names no other files.
 */
import { checkFileNames } from "../file-names.js";
import type { BlobId, RepoRef, Revision } from "../ids.js";
import {
  type CommitId,
  formatRepo,
  type NodeId,
  parseCommitId,
  parseNodeId,
  parseRepoSpec,
  parseRevision,
} from "../ids.js";
import { bytesToHex, decodeBlobId, encodeBlobId, hexToBytes } from "./blob-bytes.js";
import { FieldReader, FieldWriter } from "./byte-fields.js";

export interface PublicationBody {
  /** By the publisher's clock, in ms since 1970: of two by the same publisher, the later one counts. */
  readonly timeMs: number;
  /** Where it may be read: the name of the cluster, or of the open swarm. */
  readonly cluster: string;
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly commit: CommitId;
  /** SHA-256 of the file list, in hex. */
  readonly listSha256: string;
  readonly listBytes: number;
  readonly files: number;
  readonly bytes: number;
  readonly publisher: NodeId;
}

export interface Publication extends PublicationBody {
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

/** One file of a list. */
export interface ListedFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Of a digest that can be checked: `sha256:` or `git-sha1:`. */
  readonly blob: BlobId;
}

/** Nothing else that a node key ever signs begins like this. */
export const PUBLICATION_DOMAIN = "swarmd publication 1\n";
/** What a commit is made of begins like this. */
export const COMMIT_DOMAIN = "swarmd published commit 1\n";

const VERSION = 1;
const SIGNATURE_BYTES = 64;
/** Every field at its longest. */
export const PUBLICATION_BYTES_MAX = 1_536;
/** More files than any repo should have; a list of them takes some ten megabytes. */
export const LISTED_FILES_MAX = 100_000;
export const LIST_BYTES_MAX = 16 * 1024 * 1024;

/** What the signature is made of. @throws RangeError for what no publication can say */
export function publishedBytes(body: PublicationBody): Uint8Array {
  return writeBody(new FieldWriter().raw(asciiBytes(PUBLICATION_DOMAIN)), body).finish();
}

/** @throws RangeError for what no publication can say */
export function encodePublication(publication: Publication): Uint8Array {
  if (publication.signature.length !== SIGNATURE_BYTES) throw new RangeError("a signature has 64 bytes");
  return writeBody(new FieldWriter(), publication).raw(publication.signature).finish();
}

function writeBody(writer: FieldWriter, body: PublicationBody): FieldWriter {
  return writer
    .number(VERSION, 1)
    .number(body.timeMs, 8)
    .text(body.cluster, 1)
    .text(formatRepo(body.repo), 1)
    .text(body.revision, 2)
    .raw(hexToBytes(body.commit))
    .raw(hexToBytes(body.listSha256))
    .number(body.listBytes, 4)
    .number(body.files, 4)
    .number(body.bytes, 8)
    .text(body.publisher, 1);
}

/** Checks the form, not the signature. @throws SwarmError PEER_FAULT */
export function decodePublication(bytes: Uint8Array): Publication {
  const reader = new FieldReader(bytes, "a publication");
  if (bytes.length > PUBLICATION_BYTES_MAX) throw reader.fault(`${bytes.length} bytes`);
  const version = reader.number(1);
  if (version !== VERSION) throw reader.fault(`version ${version}, which this program does not know`);
  const timeMs = reader.number(8);
  const cluster = reader.text(1);
  if (!/^[\x21-\x7e]{1,64}$/.test(cluster)) throw reader.fault("no name of a cluster");
  const repo = readRepo(reader);
  const revisionText = reader.text(2);
  const publication: Publication = {
    timeMs,
    cluster,
    repo,
    revision: reader.parsed(() => parseRevision(revisionText)),
    commit: parseCommitId(bytesToHex(reader.raw(20))),
    listSha256: bytesToHex(reader.raw(32)),
    listBytes: reader.number(4),
    files: reader.number(4),
    bytes: reader.number(8),
    publisher: readNode(reader),
    signature: reader.raw(SIGNATURE_BYTES),
  };
  reader.end();
  if (publication.listBytes > LIST_BYTES_MAX || publication.files > LISTED_FILES_MAX || publication.files === 0) {
    throw reader.fault(`${publication.files} files in a list of ${publication.listBytes} bytes`);
  }
  return publication;
}

/** `org/name` in the form in which {@link formatRepo} writes it, and in no other. */
export function readRepo(reader: FieldReader): RepoRef {
  const text = reader.text(1);
  const { repo } = reader.parsed(() => parseRepoSpec(text));
  if (formatRepo(repo) !== text) throw reader.fault("a repo's name in another form than its own");
  return repo;
}

function readNode(reader: FieldReader): NodeId {
  const text = reader.text(1);
  return reader.parsed(() => parseNodeId(text));
}

/** Sorted by path, so that the same files give the same bytes. @throws RangeError for what no list can hold */
export function encodeFileList(files: readonly ListedFile[]): Uint8Array {
  const writer = new FieldWriter().number(files.length, 4);
  for (const { path, sizeBytes, blob } of [...files].sort(byPath)) {
    const id = encodeBlobId(blob);
    writer.number(id.length, 1).raw(id).number(sizeBytes, 8).text(path, 2);
  }
  return writer.finish();
}

/** Every name in it can be written to a disk. @throws SwarmError PEER_FAULT */
export function decodeFileList(bytes: Uint8Array): readonly ListedFile[] {
  const reader = new FieldReader(bytes, "a file list");
  if (bytes.length > LIST_BYTES_MAX) throw reader.fault(`${bytes.length} bytes`);
  const count = reader.number(4);
  if (count > LISTED_FILES_MAX) throw reader.fault(`${count} files`);
  const files: ListedFile[] = [];
  for (let index = 0; index < count; index += 1) {
    const file = readFile(reader);
    const before = files.at(-1);
    if (before !== undefined && byPath(before, file) >= 0) throw reader.fault("files that are not in order");
    files.push(file);
  }
  reader.end();
  reader.parsed(() => checkFileNames(files.map(({ path }) => path)));
  return files;
}

function readFile(reader: FieldReader): ListedFile {
  const id = reader.raw(reader.number(1));
  const blob = decodeBlobId(id);
  if (blob.startsWith("url:")) throw reader.fault("a file whose digest nobody knows");
  return { blob, sizeBytes: reader.number(8), path: reader.text(2) };
}

/** What a commit is the hash of. */
export function commitBytes(repo: RepoRef, list: Uint8Array): Uint8Array {
  return new FieldWriter().raw(asciiBytes(COMMIT_DOMAIN)).text(formatRepo(repo), 1).raw(list).finish();
}

/** By code units: the same on every machine. */
function byPath(a: ListedFile, b: ListedFile): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
