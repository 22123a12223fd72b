/**
 * The thread that reads the folders of repos.
 *
 * In: `ScanOrder` messages. Out: one `ScanReport` for each.
 */
import { parentPort } from "node:worker_threads";
import type { RepoRef } from "@swarmd/protocol";
import { readMark, readRepo, type ScannedRepo } from "./read-repo.js";

export interface ScanOrder {
  readonly id: number;
  /** Absolute. */
  readonly folder: string;
  readonly repo: RepoRef;
  /** As {@link readMark} gave it; when it is still so, nothing is read. */
  readonly knownMark: string | undefined;
}

export interface ScanReport {
  readonly id: number;
  readonly mark: string;
  /** `undefined`: as it was when it had this mark. */
  readonly scanned: ScannedRepo | undefined;
}

parentPort?.on("message", ({ id, folder, repo, knownMark }: ScanOrder) => {
  // Before the look: what changes meanwhile gives another mark the next time.
  const mark = readMark(folder);
  const scanned = mark === knownMark ? undefined : readRepo(folder, repo);
  parentPort?.postMessage({ id, mark, scanned } satisfies ScanReport);
});
