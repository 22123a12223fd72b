/**
 * *Purpose*: says whether a file is what its blob id claims. *In*: paths, sizes, blob ids. *Out*: `Verified` certificates, or
 * INTEGRITY. *Never*: writes, renames or deletes anything, or mints a certificate for bytes it has not hashed.
 */
import { stat } from "node:fs/promises";
import { type BlobId, digestOf, parseBlobId, SwarmError, toSwarmError } from "@swarmd/protocol";
import type { FileDigest, FileDigests } from "./file-digest.js";
import type { Verified } from "./types.js";

export interface VerifyFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly blob: BlobId;
  /** A digest of this file that has been following it; without one the file is read from its start. */
  readonly digest?: FileDigest | undefined;
  readonly signal: AbortSignal;
}

export class Verifier {
  readonly #digests: FileDigests;

  constructor(deps: { readonly digests: FileDigests }) {
    this.#digests = deps.digests;
  }

  /**
   * The digest to keep running while a file arrives; it suits `verifyFile`. Must be closed.
   */
  openDigest(path: string, sizeBytes: number, blob: BlobId): FileDigest {
    return this.#digests.open(path, sizeBytes, digestOf(blob)?.algorithm ?? "sha256");
  }

  /**
   * Checks a whole file against the digest in its blob id. A provisional `url:` id has none: the certificate then carries the
   * `sha256:` id that was found.
   *
   * @throws SwarmError INTEGRITY when the file is something else, STORE_FAULT when it can't be read, INTERRUPTED on abort.
   */
  async verifyFile({ path, sizeBytes, blob, digest, signal }: VerifyFile): Promise<Verified> {
    await assertSize(path, sizeBytes, blob);
    const wanted = digestOf(blob);
    // A provisional blob has nothing to compare with, so a hash that ran while bytes were replaced would go unnoticed there:
    // the prefix callback restarts it in that case, see `FileDigest.advance`.
    const running = digest === undefined ? undefined : await finishOrGiveUp(digest, signal);
    if (running !== undefined && (wanted === undefined || running === wanted.hex))
      return mint(blob, running, path, sizeBytes);
    // The running hash may have read a shard that was fetched anew later. What counts is what is on disk now.
    const found = await this.#hashFile(path, sizeBytes, blob, signal);
    if (wanted !== undefined && found !== wanted.hex) throw mismatch(path, blob, `its ${wanted.algorithm} is ${found}`);
    return mint(blob, found, path, sizeBytes);
  }

  /** Whether a file is what its blob id says, which must name a digest. @throws SwarmError STORE_FAULT, INTERRUPTED on abort */
  async matches(
    { path, sizeBytes, blob }: Pick<VerifyFile, "path" | "sizeBytes" | "blob">,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<boolean> {
    return (await this.#hashFile(path, sizeBytes, blob, signal)) === digestOf(blob)?.hex;
  }

  /** Checks a file of the cache, of whatever size it is, against its blob id. Throws as {@link verifyFile} does. */
  async verifyBlobOnDisk(path: string, blob: BlobId, options: { readonly signal: AbortSignal }): Promise<Verified> {
    return this.verifyFile({ path, sizeBytes: await readSize(path), blob, signal: options.signal });
  }

  /**
   * What a file is that nobody has named yet: the certificate carries its sha256.
   *
   * @throws SwarmError STORE_FAULT when it can't be read, INTERRUPTED on abort
   */
  async identify(path: string, { signal }: { readonly signal: AbortSignal }): Promise<Verified> {
    const sizeBytes = await readSize(path);
    const digest = this.#digests.open(path, sizeBytes, "sha256");
    try {
      const hex = await digest.finish({ signal });
      const blob = parseBlobId(`sha256:${hex}`);
      await assertSize(path, sizeBytes, blob);
      return mint(blob, hex, path, sizeBytes);
    } finally {
      digest.close();
    }
  }

  async #hashFile(path: string, sizeBytes: number, blob: BlobId, signal: AbortSignal): Promise<string> {
    const digest = this.openDigest(path, sizeBytes, blob);
    try {
      return await digest.finish({ signal });
    } finally {
      digest.close();
    }
  }
}

async function finishOrGiveUp(digest: FileDigest, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await digest.finish({ signal });
  } catch {
    if (signal.aborted) throw toSwarmError(signal.reason, "INTERRUPTED");
    return undefined;
  }
}

async function readSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    throw new SwarmError("STORE_FAULT", `could not read ${path}: ${(cause as Error).message}`, {
      cause,
      hint: "Check that the file is there and readable.",
    });
  }
}

async function assertSize(path: string, sizeBytes: number, blob: BlobId): Promise<void> {
  const found = await readSize(path);
  if (found !== sizeBytes) throw mismatch(path, blob, `it has ${found} bytes instead of ${sizeBytes}`);
}

function mismatch(path: string, blob: BlobId, how: string): SwarmError {
  return new SwarmError("INTEGRITY", `${path} is not ${blob}: ${how}`, {
    hint: "The bytes were damaged on their way or on disk. Pull again; if it happens again, the source is bad.",
  });
}

/** The only place where a certificate is made. */
function mint(blob: BlobId, hex: string, path: string, sizeBytes: number): Verified {
  const named = digestOf(blob) === undefined ? parseBlobId(`sha256:${hex}`) : blob;
  return { blob: named, path, sizeBytes } as Omit<Verified, never> as Verified;
}
