/** Which blobs lie where: what the adopting scan found and what came since. In memory; the disk has the last word. */
import type { BlobId } from "@swarmd/protocol";

export class BlobIndex {
  readonly #paths = new Map<BlobId, string | string[]>();
  readonly #onGone: (blob: BlobId) => void;
  #totalBlobs = 0;

  /** `onGone` is called when the last known file with a blob's content is no longer there. */
  constructor(onGone: (blob: BlobId) => void = () => undefined) {
    this.#onGone = onGone;
  }

  /** How many files with a blob's content are known. */
  get size(): number {
    return this.#totalBlobs;
  }

  add(blob: BlobId, path: string): void {
    const known = this.paths(blob);
    if (known.includes(path)) return;
    this.#totalBlobs += 1;
    // Nearly every blob lies in one place: a string is kept, not a list, which counts at 100,000 of them.
    this.#paths.set(blob, known.length === 0 ? path : [...known, path]);
  }

  remove(blob: BlobId, path: string): void {
    const known = this.paths(blob);
    if (!known.includes(path)) return;
    this.#totalBlobs -= 1;
    const rest = known.filter((other) => other !== path);
    if (rest.length > 0) {
      this.#paths.set(blob, rest.length === 1 ? (rest[0] as string) : rest);
      return;
    }
    this.#paths.delete(blob);
    this.#onGone(blob);
  }

  paths(blob: BlobId): readonly string[] {
    const known = this.#paths.get(blob);
    return known === undefined ? [] : typeof known === "string" ? [known] : known;
  }

  blobs(): IterableIterator<BlobId> {
    return this.#paths.keys();
  }
}
