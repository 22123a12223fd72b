/** The sentences before and after a pull. Pure. */
import { formatBytes, formatDuration, formatRate } from "@swarmd/protocol";
import type { DoneEvent, FileEvent, ProgressEvent, StartEvent } from "@swarmd/protocol/api";
import { sanitize } from "../text.js";
import { percentOf } from "./pull-view.js";

const SHORT_COMMIT = 7;

/** `org/model@main (1a2b3c4): 11 files, 15.2 GB, of which 3.0 GB are here`. */
export function describeStart(start: StartEvent): string {
  const commit = start.commit === "" ? "" : ` (${start.commit.slice(0, SHORT_COMMIT)})`;
  const revision = start.revision === "" || start.revision === start.commit ? "" : `@${start.revision}`;
  const here = start.bytesPresent > 0 ? `, of which ${formatBytes(start.bytesPresent)} are here` : "";
  return sanitize(`${start.repo}${revision}${commit}: ${countFiles(start.files)}, ${formatBytes(start.bytes)}${here}`);
}

/** `WAN 1.00×  LAN 0.00×  cache 0.00×  11 files, 15.2 GB in 2m 03s (124 MB/s)`: where the bytes came from. */
export function describeDone(done: DoneEvent): string {
  const total = `${countFiles(done.files)}, ${formatBytes(done.bytes)}`;
  if (done.dryRun === true) return `would pull ${total}; ${formatBytes(done.bytesFromCache)} of it are here`;
  const ratio = (bytes: number) => `${(done.bytes > 0 ? bytes / done.bytes : 0).toFixed(2)}×`;
  const moved = done.bytesFromOrigin + done.bytesFromPeers;
  const rate = moved > 0 && done.elapsedMs > 0 ? ` (${formatRate((moved * 1000) / done.elapsedMs)})` : "";
  const origins = `WAN ${ratio(done.bytesFromOrigin)}  LAN ${ratio(done.bytesFromPeers)}  cache ${ratio(done.bytesFromCache)}`;
  return `${origins}  ${total} in ${formatDuration(done.elapsedMs)}${rate}`;
}

/** `20%  3.10 GB / 15.2 GB  112 MB/s  1m 48s left  3/11 files`. */
export function describeProgress(progress: ProgressEvent): string {
  const percent = percentOf(progress.bytes, progress.totalBytes, false);
  const sizes = `${formatBytes(progress.bytes)} / ${formatBytes(progress.totalBytes)}`;
  const left = progress.etaMs === null ? "" : `  ${formatDuration(progress.etaMs)} left`;
  const pace = progress.bytes >= progress.totalBytes ? "checking" : `${formatRate(progress.bytesPerSecond)}${left}`;
  return `${percent}%  ${sizes}  ${pace}  ${progress.filesDone}/${progress.filesTotal} files`;
}

/** `model.safetensors done, 4.98 GB (3/11)`. */
export function describeFile(file: FileEvent, filesDone: number, filesTotal: number): string {
  return `${sanitize(file.path)} done, ${formatBytes(file.bytes)} (${filesDone}/${filesTotal})`;
}

export function countFiles(count: number): string {
  return count === 1 ? "1 file" : `${count} files`;
}
