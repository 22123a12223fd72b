/** The file list as the Hub sends it -> the files of a manifest. */
import { isSha256Hex, parseBlobId, type RepoFile, SwarmError } from "@swarmd/protocol";

/** What the Hub puts where a hash would stand, for those who are not let through the gate. */
const HIDDEN_HASH = /^\*{64}$/;
const GIT_SHA1 = /^[0-9a-f]{40}$/;

/** One page: its files, and whether the Hub hides their hashes. */
export interface TreePage {
  readonly files: readonly RepoFile[];
  readonly isHidden: boolean;
}

/** @throws SwarmError ORIGIN_FAULT naming what is wrong with the page */
export function parseTreePage(json: unknown): TreePage {
  if (!Array.isArray(json)) throw malformed("is no list");
  const files: RepoFile[] = [];
  for (const item of json) {
    if (!isRecord(item)) throw malformed("has an entry that is no object");
    if (item.type !== "file") continue;
    const lfs = isRecord(item.lfs) ? item.lfs : undefined;
    if (typeof lfs?.oid === "string" && HIDDEN_HASH.test(lfs.oid)) return { files: [], isHidden: true };
    files.push(parseFile(item, lfs));
  }
  return { files, isHidden: false };
}

function parseFile(item: Record<string, unknown>, lfs: Record<string, unknown> | undefined): RepoFile {
  const { path } = item;
  if (typeof path !== "string" || path === "") throw malformed("has a file without a path");
  const sizeBytes = lfs?.size ?? item.size;
  if (!isSize(sizeBytes)) throw malformed(`gives no size for ${JSON.stringify(path)}`);
  const xetHash = item.xetHash;
  return {
    path,
    sizeBytes,
    blob: parseBlobId(lfs === undefined ? gitSha1(item.oid, path) : sha256(lfs.oid, path)),
    ...(typeof xetHash === "string" && isSha256Hex(xetHash) ? { xetHash } : {}),
  };
}

function sha256(oid: unknown, path: string): string {
  if (typeof oid === "string" && isSha256Hex(oid)) return `sha256:${oid}`;
  throw malformed(`gives no sha256 for ${JSON.stringify(path)}`);
}

function gitSha1(oid: unknown, path: string): string {
  if (typeof oid === "string" && GIT_SHA1.test(oid)) return `git-sha1:${oid}`;
  throw malformed(`gives no git sha1 for ${JSON.stringify(path)}`);
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(what: string): SwarmError {
  return new SwarmError("ORIGIN_FAULT", `the origin's file list ${what}`, {
    hint: "Check HF_ENDPOINT if you set it: the address has to be a Hugging Face Hub or a mirror of one.",
  });
}
