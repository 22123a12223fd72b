/** `model.safetensors.index.json`: which file of a repo holds which tensor. */
import { checkFileNames, SwarmError } from "@swarmd/protocol";
import { invalid, TENSORS_MAX } from "./tensor-file.js";

/** The largest on the Hub are a few megabytes. */
const INDEX_BYTES_MAX = 64 * 1024 * 1024;

export interface WeightIndex {
  /** Tensor to file name, relative to the index. */
  readonly files: ReadonlyMap<string, string>;
}

/** @throws SwarmError CONTENT_INVALID */
export function readWeightIndex(bytes: Uint8Array): WeightIndex {
  if (bytes.length > INDEX_BYTES_MAX) throw invalid(`an index of ${bytes.length} bytes`);
  const map = weightMapOf(bytes);
  const entries = Object.entries(map);
  if (entries.length > TENSORS_MAX) throw invalid(`an index of ${entries.length} tensors`);
  const files = new Map<string, string>();
  for (const [tensor, file] of entries) {
    if (typeof file !== "string") throw invalid("the index names something that is no file");
    files.set(tensor, file);
  }
  checkNames([...new Set(files.values())]);
  return { files };
}

function weightMapOf(bytes: Uint8Array): object {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(`the index is no JSON (${(cause as Error).message})`);
  }
  const map = (value as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) throw invalid("the index has no weight_map");
  return map;
}

/** A name in here is a path that somebody may open: it follows the rules of the repo's own file names. */
function checkNames(names: readonly string[]): void {
  try {
    checkFileNames(names);
  } catch (error) {
    throw error instanceof SwarmError ? invalid(error.message) : error;
  }
}
