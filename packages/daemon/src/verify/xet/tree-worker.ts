/**
 * The thread that builds trees. Reads and writes are blocking: this thread has nothing else to do.
 *
 * In: `TreeRequest` messages, one file at a time. Out: `TreeReport` messages.
 */
import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import type { ChunkRule } from "./chunker.js";
import { type BuiltTree, buildTree } from "./tree-build.js";
import { writeTree } from "./tree-file.js";
import { type XetHash, XetHasher } from "./xet-hash.js";

export type TreeRequest =
  | {
      readonly type: "build";
      readonly id: number;
      readonly path: string;
      readonly sizeBytes: number;
      readonly file: XetHash;
      /** Where the tree goes; there is none half written. */
      readonly target: string;
    }
  | { readonly type: "cancel"; readonly id: number };

export type TreeReport =
  /** Sent every 16 MiB: a sign of life. */
  | { readonly type: "progress"; readonly id: number }
  /** `rule` is undefined when neither gives the file's hash; then nothing was written. */
  | { readonly type: "done"; readonly id: number; readonly rule: ChunkRule | undefined }
  | { readonly type: "failed"; readonly id: number; readonly message: string; readonly errno: string | undefined };

const port = parentPort;
const cancelled = new Set<number>();
let hasher: Promise<XetHasher> | undefined;

function write(tree: BuiltTree, request: TreeRequest & { readonly type: "build" }): void {
  const temporary = `${request.target}.${process.pid}.tmp`;
  try {
    const fd = openSync(temporary, "w", 0o600);
    try {
      // Not synced: what a crash leaves of it is found to be damaged when it is used.
      writeTree(fd, tree, request);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, request.target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

async function build(
  request: TreeRequest & { readonly type: "build" },
  report: (report: TreeReport) => void,
): Promise<void> {
  const { id, path, sizeBytes, file } = request;
  hasher ??= XetHasher.load();
  const fd = openSync(path, "r");
  try {
    const steps = buildTree({ fd, sizeBytes, file }, await hasher);
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        if (step.value !== undefined) write(step.value, request);
        return report({ type: "done", id, rule: step.value?.rule });
      }
      report({ type: "progress", id });
      // A message may be waiting that this file is not wanted any more.
      await new Promise((resolve) => setImmediate(resolve));
      if (cancelled.delete(id)) return;
    }
  } finally {
    closeSync(fd);
  }
}

if (port !== null) {
  const report = (message: TreeReport) => port.postMessage(message);
  port.on("message", (request: TreeRequest) => {
    if (request.type === "cancel") return void cancelled.add(request.id);
    build(request, report).catch((error: NodeJS.ErrnoException) => {
      report({ type: "failed", id: request.id, message: error.message, errno: error.code });
    });
  });
}
