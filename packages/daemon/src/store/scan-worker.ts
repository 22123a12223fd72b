/**
 * The thread that reads the folders of repos.
 *
 * In: `ScanOrder` messages. Out: one `ScanReport` for each.
 */
import { parentPort } from "node:worker_threads";
import type { RepoRef } from "@swarmd/protocol";
import { type BlobsFound, readBlobFolder, readMark, readRepo, type ScannedRepo } from "./read-repo.js";

export interface RepoLook {
  /** Absolute. */
  readonly folder: string;
  readonly repo: RepoRef;
  /** As {@link readMark} gave it; when it is still so, nothing is read. */
  readonly knownMark?: string | undefined;
}

export interface RepoSeen {
  readonly mark: string;
  /** `undefined`: as it was when it had this mark. */
  readonly scanned: ScannedRepo | undefined;
}

/** See {@link readBlobFolder}. */
export interface BlobsLook {
  readonly folder: string;
  readonly realRoot: string;
}

export type ScanOrder = { readonly id: number } & (
  | { readonly kind: "repo"; readonly look: RepoLook }
  | { readonly kind: "blobs"; readonly look: BlobsLook }
);

export interface ScanReport {
  readonly id: number;
  readonly seen: RepoSeen | BlobsFound;
}

function see(order: ScanOrder): ScanReport["seen"] {
  if (order.kind === "blobs") return readBlobFolder(order.look.folder, order.look.realRoot);
  const { folder, repo, knownMark } = order.look;
  // Before the look: what changes meanwhile gives another mark the next time.
  const mark = readMark(folder);
  return { mark, scanned: mark === knownMark ? undefined : readRepo(folder, repo) };
}

parentPort?.on("message", (order: ScanOrder) => {
  parentPort?.postMessage({ id: order.id, seen: see(order) } satisfies ScanReport);
});
