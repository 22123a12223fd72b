/** What is remembered of a plain URL, so that a second pull can ask "has it changed?" instead of fetching it again. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type BlobId, isSha256Hex, parseBlobId, SwarmError } from "@swarmd/protocol";
import { writeAtomically } from "./atomic-file.js";
import { toStoreError } from "./disk-faults.js";

export interface UrlRecord {
  /** For people; without what is secret in it. */
  readonly url: string;
  /** `sha256:…` */
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly etag?: string;
  readonly lastModified?: string;
}

/** One small file per URL, named by the SHA-256 of the URL. */
export class UrlRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param key SHA-256 of the URL, in hex. @throws SwarmError NO_SPACE, STORE_FAULT. */
  async write(key: string, record: UrlRecord): Promise<void> {
    await writeAtomically(this.#path(key), `${JSON.stringify(record)}\n`);
  }

  async find(key: string): Promise<UrlRecord | undefined> {
    try {
      return parseRecord(await readFile(this.#path(key), "utf8"));
    } catch {
      return undefined;
    }
  }

  /** All of them, with their keys. */
  async list(): Promise<{ readonly key: string; readonly record: UrlRecord }[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const keys = names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name)).map((name) => name.slice(0, 64));
    const found = await Promise.all(keys.map(async (key) => ({ key, record: await this.find(key) })));
    return found.flatMap(({ key, record }) => (record === undefined ? [] : [{ key, record }]));
  }

  async remove(key: string): Promise<void> {
    const path = this.#path(key);
    await rm(path, { force: true }).catch((error) => {
      throw toStoreError(error, "remove", path);
    });
  }

  #path(key: string): string {
    if (!isSha256Hex(key)) throw new SwarmError("INTERNAL", `not the key of a URL: ${JSON.stringify(key)}`);
    return join(this.#folder, `${key}.json`);
  }
}

function parseRecord(json: string): UrlRecord {
  const { url, blob, sizeBytes, etag, lastModified } = JSON.parse(json) as Record<string, unknown>;
  if (typeof url !== "string" || typeof blob !== "string" || typeof sizeBytes !== "number")
    throw new Error("not a record");
  return {
    url,
    blob: parseBlobId(blob),
    sizeBytes,
    ...(typeof etag === "string" ? { etag } : {}),
    ...(typeof lastModified === "string" ? { lastModified } : {}),
  };
}
