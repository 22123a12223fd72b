/** Keeps pulls from starting that can't end for lack of space: what is promised to one is not promised to another. */
import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { formatBytes, SwarmError } from "@swarmd/protocol";
import { errnoOf, toStoreError } from "./disk-faults.js";

/** Space set aside on one file system. */
export interface Reservation {
  /** What is still set aside. */
  readonly bytes: number;
  /** So much has been written: it is gone from the free space by itself now. */
  shrink(writtenBytes: number): void;
  /** May be called twice. */
  release(): void;
}

/** For journals, links and what else a machine needs to stay alive. */
const MARGIN_BYTES = 64 * 1024 * 1024;

export class FreeSpace {
  readonly marginBytes: number;
  readonly #reservedBytes = new Map<number, number>();

  constructor({ marginBytes = MARGIN_BYTES }: { readonly marginBytes?: number } = {}) {
    this.marginBytes = marginBytes;
  }

  /**
   * Sets `bytes` aside on the file system of `folder`, which need not exist yet.
   *
   * @throws SwarmError NO_SPACE when there is not enough.
   */
  async reserve(bytes: number, folder: string): Promise<Reservation> {
    const { device, freeBytes } = await this.#measure(folder);
    const unpromised = freeBytes - (this.#reservedBytes.get(device) ?? 0) - this.marginBytes;
    if (bytes > 0 && bytes > unpromised) throw tooLittle(bytes, Math.max(0, unpromised), folder);
    this.#add(device, bytes);
    return this.#hold(device, bytes);
  }

  /** What this user may still write there. */
  async freeBytes(folder: string): Promise<number> {
    return (await this.#measure(folder)).freeBytes;
  }

  #hold(device: number, bytes: number): Reservation {
    let left = bytes;
    const shrink = (by: number) => {
      const less = Math.min(left, by);
      left -= less;
      this.#add(device, -less);
    };
    return {
      get bytes() {
        return left;
      },
      shrink,
      release: () => shrink(left),
    };
  }

  #add(device: number, bytes: number): void {
    this.#reservedBytes.set(device, (this.#reservedBytes.get(device) ?? 0) + bytes);
  }

  async #measure(folder: string): Promise<{ device: number; freeBytes: number }> {
    try {
      const existing = await findExisting(folder);
      const [{ dev }, { bavail, bsize }] = await Promise.all([stat(existing), statfs(existing)]);
      return { device: dev, freeBytes: bavail * bsize };
    } catch (error) {
      throw toStoreError(error, "measure the free space of", folder);
    }
  }
}

/** The folder itself, or the nearest one above it that exists. */
async function findExisting(folder: string): Promise<string> {
  try {
    await stat(folder);
    return folder;
  } catch (error) {
    const above = dirname(folder);
    if (errnoOf(error) !== "ENOENT" || above === folder) throw error;
    return findExisting(above);
  }
}

function tooLittle(bytes: number, freeBytes: number, folder: string): SwarmError {
  return new SwarmError(
    "NO_SPACE",
    `${formatBytes(bytes)} are needed in ${folder}, and ${formatBytes(freeBytes)} are free there`,
    { hint: `Free ${formatBytes(bytes - freeBytes)} (swarm ls, swarm rm), or choose another cache with --cache-dir.` },
  );
}
