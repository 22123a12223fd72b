/** A blob opened for peers to read from: a whole file of the cache, or a staging file as far as it is written. */
import { type FileHandle, open } from "node:fs/promises";
import { SwarmError, shardAt, shardEnd, shardStart } from "@swarmd/protocol";
import { errnoOf, toStoreError } from "./disk-faults.js";
import type { Staging } from "./staging.js";

/** The serve room's port of the same name. */
export interface OpenBlob {
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** Good until `close`. */
  readonly fileDescriptor: number;
  /** Reads into all of `target`. @throws SwarmError STORE_FAULT */
  read(positionBytes: number, target: Uint8Array): Promise<void>;
  /** Everything from `positionBytes` up to the returned position is in the file; `positionBytes` when nothing is. */
  servableUpTo(positionBytes: number): number;
  /** Calls back whenever more is in the file; the returned function takes it back. */
  onRise(callback: () => void): () => void;
  close(): Promise<void>;
}

/** The same for local readers, who have to hear when what they read turns out to be wrong. */
export interface ReadableBlob extends OpenBlob {
  onDiscard(callback: (startBytes: number, endBytes: number) => void): () => void;
}

/** @returns `undefined` when the file is gone. @throws SwarmError STORE_FAULT */
export async function openWholeFile(path: string, shardBytes: number): Promise<OpenBlob | undefined> {
  const file = await openToRead(path);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    return {
      ...readerOf(file, path),
      sizeBytes: size,
      shardBytes,
      servableUpTo: () => size,
      onRise: () => () => undefined,
    };
  } catch (error) {
    await file.close();
    throw toStoreError(error, "read", path);
  }
}

/** Goes on to work when the file is committed meanwhile. @returns `undefined` when it just was. @throws SwarmError STORE_FAULT */
export async function openStagingFile(staging: Staging): Promise<OpenBlob | undefined> {
  const { path, sizeBytes, shardBytes } = staging;
  const file = await openToRead(path);
  if (file === undefined) return undefined;
  return {
    ...readerOf(file, path),
    sizeBytes,
    shardBytes,
    servableUpTo: (positionBytes) => staging.filledUpTo(positionBytes),
    onRise: (callback) => staging.onFilled(callback),
  };
}

/**
 * The same for local readers, who get only what somebody vouches for: shards that are checked, and the start of one whose bytes come
 * from the origin alone.
 */
export async function openForReaders(staging: Staging): Promise<ReadableBlob | undefined> {
  const { path, sizeBytes, shardBytes } = staging;
  const file = await openToRead(path);
  if (file === undefined) return undefined;
  return {
    ...readerOf(file, path),
    sizeBytes,
    shardBytes,
    servableUpTo: (positionBytes) => readableUpTo(staging, positionBytes),
    onRise: (callback) => {
      const ends = [staging.onFilled(callback), staging.onJudged(callback)];
      return () => {
        for (const end of ends) end();
      };
    },
    onDiscard: (callback) =>
      staging.onJudged((shard, fate) => {
        if (fate === "discarded") callback(shardStart(shard, shardBytes), shardEnd(shard, sizeBytes, shardBytes));
      }),
  };
}

function readableUpTo(staging: Staging, positionBytes: number): number {
  const { sizeBytes, shardBytes } = staging;
  let at = positionBytes;
  while (at < sizeBytes) {
    const shard = shardAt(at, shardBytes);
    const end = shardEnd(shard, sizeBytes, shardBytes);
    // Bytes of peers in a shard that is not checked are nobody's word yet.
    if (!staging.isChecked(shard)) {
      return Math.max(at, Math.min(end, staging.guestsFrom(shard), staging.filledUpTo(at)));
    }
    at = end;
  }
  return sizeBytes;
}

async function openToRead(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw toStoreError(error, "read", path);
  }
}

function readerOf(file: FileHandle, path: string): Pick<OpenBlob, "fileDescriptor" | "read" | "close"> {
  return {
    fileDescriptor: file.fd,
    async read(positionBytes, target) {
      for (let done = 0; done < target.length; ) {
        const { bytesRead } = await file
          .read(target, done, target.length - done, positionBytes + done)
          .catch((error) => Promise.reject(toStoreError(error, "read", path)));
        if (bytesRead === 0) {
          throw new SwarmError("STORE_FAULT", `${path} ends before byte ${positionBytes + target.length}`, {
            hint: "Something else has cut the file short.",
          });
        }
        done += bytesRead;
      }
    },
    close: () => file.close(),
  };
}
