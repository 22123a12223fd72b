/** What is remembered of a plain URL, so that a second pull can ask "has it changed?" instead of fetching it again. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type BlobId, parseBlobId } from "@swarmd/protocol";
import { writeAtomically } from "./atomic-file.js";

/** What tells one version of the file behind a URL from another. */
export interface UrlValidators {
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface UrlRecord {
  /** `sha256:…` */
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly validators: UrlValidators;
}

/** One small file per URL, named by the URL's SHA-256: the URL itself may hold secrets and is not written down. */
export class UrlRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws SwarmError NO_SPACE, STORE_FAULT. */
  async write(url: string, record: UrlRecord): Promise<void> {
    await writeAtomically(this.#path(url), `${JSON.stringify(record)}\n`);
  }

  async find(url: string): Promise<UrlRecord | undefined> {
    return readRecord(this.#path(url));
  }

  /** The blobs that any URL's record names. */
  async blobs(): Promise<Set<BlobId>> {
    const names = await readdir(this.#folder).catch(() => []);
    const records = await Promise.all(names.map((name) => readRecord(join(this.#folder, name))));
    return new Set(records.flatMap((record) => (record === undefined ? [] : [record.blob])));
  }

  #path(url: string): string {
    return join(this.#folder, `${createHash("sha256").update(url).digest("hex")}.json`);
  }
}

async function readRecord(path: string): Promise<UrlRecord | undefined> {
  try {
    return parseRecord(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}

function parseRecord(json: string): UrlRecord {
  const { blob, sizeBytes, validators } = JSON.parse(json) as { [Key in keyof UrlRecord]?: unknown };
  if (typeof blob !== "string" || typeof sizeBytes !== "number") throw new Error("not a record");
  const { etag, lastModified } = (validators ?? {}) as Record<string, unknown>;
  return {
    blob: parseBlobId(blob),
    sizeBytes,
    validators: {
      ...(typeof etag === "string" ? { etag } : {}),
      ...(typeof lastModified === "string" ? { lastModified } : {}),
    },
  };
}
