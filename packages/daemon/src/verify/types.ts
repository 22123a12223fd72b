/**
 * The two certificates of this house. Only the verify room makes them, so a function that asks for one can't be called with
 * bytes that nobody checked.
 */
import type { BlobId } from "@swarmd/protocol";

declare const verified: unique symbol;

/** This file, at this path, has the digest that its blob id names. */
export interface Verified {
  readonly [verified]: true;
  readonly blob: BlobId;
  readonly path: string;
  readonly sizeBytes: number;
}
