/**
 * What the head of a model file says of the tensors in it.
 *
 * *Purpose*: readers of the formats in which models are published. *In*: the first bytes of a file, and how long the file is. *Out*: where
 * each tensor lies, or how many bytes more are needed, or CONTENT_INVALID. *Never*: reads a file, or believes a count that it has not
 * compared with the bytes that are there: the files come from whoever published the repo.
 */
import { SwarmError } from "@swarmd/protocol";

export interface Tensor {
  readonly name: string;
  /** As the format writes it: `BF16`, `Q4_K`. */
  readonly dtype: string;
  /** As the format writes it: safetensors outermost dimension first, GGUF innermost first. */
  readonly shape: readonly number[];
  /** In the file, not in its data part. */
  readonly startBytes: number;
  readonly endBytes: number;
}

export interface TensorFile {
  readonly format: "safetensors" | "gguf";
  /** Everything before the first tensor's bytes. */
  readonly headBytes: number;
  /** Short values only; a list is told by its length. */
  readonly metadata: ReadonlyMap<string, string | number | boolean>;
  /** In the order in which they lie in the file. */
  readonly tensors: readonly Tensor[];
}

/** `more`: come back with at least so many bytes from the start of the file. */
export type Reading =
  | { readonly kind: "more"; readonly bytes: number }
  | { readonly kind: "head"; readonly file: TensorFile };

/** More than any model has; a file that claims more is broken or hostile. */
export const TENSORS_MAX = 1_000_000;
/** Longer metadata is for the program that loads the model. */
export const METADATA_VALUE_MAX = 4_096;

export function invalid(what: string): SwarmError {
  return new SwarmError("CONTENT_INVALID", `the file's header can't be read: ${what}`);
}

/** Product of the dimensions. @throws SwarmError CONTENT_INVALID when one is no whole number, or the product too large to be exact */
export function elementsOf(shape: readonly number[]): number {
  let elements = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) throw invalid(`a dimension of ${dimension}`);
    elements *= dimension;
  }
  if (!Number.isSafeInteger(elements)) throw invalid("a tensor of more elements than any file can hold");
  return elements;
}
