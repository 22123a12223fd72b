/** Reads the head of one tensor file, in as many steps as it takes, from the first source that gives it. */
import { type RepoFile, SwarmError, toSwarmError } from "@swarmd/protocol";
import { readGguf } from "../formats/gguf.js";
import { readSafetensors } from "../formats/safetensors.js";
import type { TensorFile } from "../formats/tensor-file.js";
import type { HeadSource } from "./ports.js";

/** What most heads fit into: one request. */
const FIRST_BYTES = 256 * 1024;
/** A head is held in memory and parsed in one go; a vocabulary of GGUF takes ten megabytes. */
const HEAD_BYTES_MAX = 64 * 1024 * 1024;
/** A head grows with each step; one that wants more steps than this is not honest. */
const STEPS_MAX = 16;

export type Opened = () => Promise<HeadSource | undefined>;

export interface ReadTensors {
  readonly source: HeadSource["name"];
  readonly file: TensorFile;
}

/** `undefined` for a file that holds no tensors by its name. */
export function formatOf(path: string): "safetensors" | "gguf" | undefined {
  const [, extension] = /\.(safetensors|gguf)$/i.exec(path) ?? [];
  return extension?.toLowerCase() as "safetensors" | "gguf" | undefined;
}

/** @throws SwarmError CONTENT_INVALID where a whole file can't be understood; else why the last source failed; INTERRUPTED */
export async function readTensors(
  { path, sizeBytes }: RepoFile,
  sources: readonly Opened[],
  options: { readonly signal: AbortSignal },
): Promise<ReadTensors> {
  const read = formatOf(path) === "gguf" ? readGguf : readSafetensors;
  let failure = new SwarmError("NO_SOURCE", `nobody who has ${path} can be reached now`);
  for (const open of sources) {
    const source = await open();
    if (source === undefined) continue;
    try {
      return { source: source.name, file: await readFrom(source, sizeBytes, read, options) };
    } catch (error) {
      failure = toSwarmError(error);
      if (options.signal.aborted || (failure.code === "CONTENT_INVALID" && source.name !== "peer")) throw failure;
    } finally {
      await source.close();
    }
  }
  throw failure;
}

async function readFrom(
  source: HeadSource,
  fileBytes: number,
  read: typeof readGguf,
  options: { readonly signal: AbortSignal },
): Promise<TensorFile> {
  let endBytes = Math.min(FIRST_BYTES, fileBytes);
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const reading = read(await source.read(endBytes, options), fileBytes);
    if (reading.kind === "head") return reading.file;
    if (reading.bytes > HEAD_BYTES_MAX || reading.bytes > fileBytes) break;
    endBytes = reading.bytes;
  }
  throw new SwarmError("CONTENT_INVALID", `its header is longer than ${HEAD_BYTES_MAX} bytes`);
}
