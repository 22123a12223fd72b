/** Turns what the file system throws into errors a person can act on. */
import { formatBytes, SwarmError, toSwarmError } from "@swarmd/protocol";

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "Give this user the right to write there, or choose another folder with --cache-dir or --state-dir.",
  EPERM: "Give this user the right to write there, or choose another folder with --cache-dir or --state-dir.",
  EROFS: "The file system is read-only; choose another folder with --cache-dir or --state-dir.",
  EIO: "The disk reports an error; check it before anything else (dmesg, smartctl).",
  EFBIG: "The file system can't hold files this large (FAT32 ends at 4 GiB); use another one.",
  EMFILE: "Too many files are open; raise the limit (ulimit -n).",
  ENFILE: "Too many files are open on this machine.",
  ENAMETOOLONG: "The path is too long for this file system; use a cache folder nearer to the root.",
};

/**
 * @param what what was being done, as in "write"
 * @param path to which file or folder
 * @param missingBytes how much was still to be written, for the error of a full disk
 */
export function toStoreError(error: unknown, what: string, path: string, missingBytes?: number): SwarmError {
  if (error instanceof SwarmError) return error;
  const code = errnoOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") return noSpace(what, path, missingBytes, error);
  const reason = error instanceof Error ? error.message : String(error);
  return new SwarmError("STORE_FAULT", `could not ${what} ${path}: ${reason}`, {
    cause: error,
    hint: HINTS[code ?? ""] ?? "Check that the folder exists, that its disk answers, and that this user may use it.",
  });
}

function noSpace(what: string, path: string, missingBytes: number | undefined, cause: unknown): SwarmError {
  const missing = missingBytes === undefined ? "" : `; ${formatBytes(missingBytes)} were still to be written`;
  return new SwarmError("NO_SPACE", `no space left to ${what} ${path}${missing}`, {
    cause,
    hint: "Free some space there or choose another cache with --cache-dir; what was fetched is kept, and the next pull goes on from it.",
  });
}

/** `ENOENT` and the like; `undefined` for other errors. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/** @throws SwarmError INTERRUPTED, or what the signal was aborted with, if that is one. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toSwarmError(signal.reason, "INTERRUPTED");
}
