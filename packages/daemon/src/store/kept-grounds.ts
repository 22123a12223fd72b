/**
 * What is kept of a finished blob's shards: their hashes, so that this node can vouch for each without reading the file again, and what
 * they rested on before the whole file was verified. A small file per blob, as long as the blob is there.
 */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type BlobId, digestOf, shardCount } from "@swarmd/protocol";
import { writeAtomically } from "./atomic-file.js";
import { etagOf, findBlobOfName } from "./cache-layout.js";
import type { Staging } from "./staging.js";

/** How many shards rested on what, while the file was arriving. */
export interface GroundCounts {
  readonly origin: number;
  readonly digest: number;
  readonly proof: number;
  /** By signer. */
  readonly attestation: Readonly<Record<string, number>>;
  /** Written down by an earlier version. */
  readonly unknown: number;
}

export interface KeptGrounds {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** When the whole file was found to have its digest; ISO 8601. */
  readonly verifiedAt: string;
  readonly counts: GroundCounts;
  /** BLAKE3 of each shard, in order. */
  readonly hashes: readonly Uint8Array[];
}

const HASH_BYTES = 32;
const SUFFIX = ".json";

export class KeptGroundsFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * To be called when a file is verified. A blob of one shard needs no record: its digest says it all.
   *
   * @throws SwarmError NO_SPACE, STORE_FAULT
   */
  async keep(blob: BlobId, staging: Staging, verifiedAt: string): Promise<void> {
    const { sizeBytes, shardBytes } = staging;
    const count = shardCount(sizeBytes, shardBytes);
    const found = Array.from({ length: count }, (_, shard) => staging.findChecked(shard)?.hash);
    const hashes = found.filter((hash) => hash !== undefined);
    if (hashes.length < count || (count < 2 && digestOf(blob) !== undefined)) return;
    const counts = countGrounds(staging);
    const text = { blob, sizeBytes, shardBytes, verifiedAt, counts, hashes: Buffer.concat(hashes).toString("base64") };
    await mkdir(this.#folder, { recursive: true });
    await writeAtomically(this.#path(blob), `${JSON.stringify(text)}\n`);
  }

  /** `undefined` when nothing is kept, or nothing that makes sense. */
  async find(blob: BlobId): Promise<KeptGrounds | undefined> {
    try {
      return parseKept(await readFile(this.#path(blob), "utf8"), blob);
    } catch {
      return undefined;
    }
  }

  /** Removes what is kept of blobs that are gone. Never throws. */
  async sweep(isThere: (blob: BlobId) => boolean): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const blob = name.endsWith(SUFFIX) ? findBlobOfName(name.slice(0, -SUFFIX.length)) : undefined;
      if (blob === undefined || isThere(blob)) continue;
      await rm(join(this.#folder, name), { force: true }).catch(() => undefined);
    }
  }

  #path(blob: BlobId): string {
    return join(this.#folder, `${etagOf(blob)}${SUFFIX}`);
  }
}

/** What the shards of a blob on its way rest on. */
export function countGrounds(staging: Staging): GroundCounts {
  const counts = { origin: 0, digest: 0, proof: 0, unknown: 0 };
  const attestation: Record<string, number> = {};
  for (let shard = 0; shard < shardCount(staging.sizeBytes, staging.shardBytes); shard += 1) {
    const known = staging.findChecked(shard);
    if (known === undefined) continue;
    const { ground } = known;
    if (ground?.kind === "attestation") attestation[ground.signer] = (attestation[ground.signer] ?? 0) + 1;
    else counts[ground?.kind ?? "unknown"] += 1;
  }
  return { ...counts, attestation };
}

function parseKept(json: string, blob: BlobId): KeptGrounds | undefined {
  const text = JSON.parse(json) as Omit<KeptGrounds, "hashes"> & { readonly hashes: string };
  const bytes = Buffer.from(text.hashes, "base64");
  const count = shardCount(text.sizeBytes, text.shardBytes);
  if (text.blob !== blob || bytes.length !== count * HASH_BYTES) return undefined;
  const hashes = Array.from({ length: count }, (_, shard) =>
    bytes.subarray(shard * HASH_BYTES, (shard + 1) * HASH_BYTES),
  );
  return { ...text, hashes };
}
