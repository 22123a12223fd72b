/**
 * What other programs ask about models: what is in one, who has it, and how to publish one. The same JSON on the local API and on the
 * gateway. `size`, `offset` and `length` are bytes.
 */
import type { ErrorEvent, FileEvent, WarningEvent } from "./types.js";

export interface ManifestRequest {
  /** `org/model` or `org/model@revision`. */
  readonly target: string;
  /** Never ask the origin. */
  readonly offline?: boolean;
}

/** All that is known of a repo at one commit without reading more than the heads of its files. */
export interface ModelManifest {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  /** The node that published the repo; `null` where the origin vouches for it. */
  readonly publisher: string | null;
  readonly size: number;
  readonly files: readonly ManifestFile[];
  /** Each content once, however many files have it. */
  readonly blobs: readonly ManifestBlob[];
  /** Of all safetensors and GGUF files, in the order of files and, within one, of bytes. */
  readonly tensors: readonly ManifestTensor[];
  /** Where the tensors were read from. */
  readonly heads: readonly ManifestHead[];
}

export interface ManifestFile {
  readonly path: string;
  readonly size: number;
  readonly blob: string;
  /** Root of the xet hash tree, where the origin gives one. */
  readonly xetHash?: string;
}

export interface ManifestBlob {
  readonly id: string;
  readonly size: number;
  readonly shards: readonly ManifestShard[];
}

/** One range of a blob that is moved and checked at a time. */
export interface ManifestShard {
  /** `sha256:<hex>#<number>`. */
  readonly id: string;
  readonly offset: number;
  readonly size: number;
}

export interface ManifestTensor {
  readonly name: string;
  readonly file: string;
  /** From the start of the file. */
  readonly offset: number;
  readonly length: number;
  /** As the format writes it: `BF16`, `Q4_K`. */
  readonly dtype: string;
  /** As the format writes it: safetensors outermost dimension first, GGUF innermost first. */
  readonly shape: readonly number[];
}

export interface ManifestHead {
  readonly file: string;
  readonly format: "safetensors" | "gguf";
  /**
   * `cache`: from a file that matches its digest. `origin`, `peer`: read over the network just now, before the file could be checked.
   * `null` when the head could not be read.
   */
  readonly source: "cache" | "origin" | "peer" | null;
  readonly tensors: number;
  /** Why there are no tensors. */
  readonly problem?: string;
}

export interface LocateRequest {
  /** `org/model` or `org/model@revision`. */
  readonly target: string;
}

/** Who has a model. */
export interface ModelLocation {
  readonly model: string;
  readonly nodes: readonly LocatedNode[];
}

export interface LocatedNode {
  readonly node: string;
  readonly isSelf: boolean;
  /** Whether it can be reached now. */
  readonly isUp: boolean;
  /** `whole`: all files of the commit. `part`: some of the bytes. `said`: somebody registered it; nobody looked. */
  readonly has: "whole" | "part" | "said";
  /** `null` where nobody said which. */
  readonly commit: string | null;
  /** Bytes of the commit that it has, and of the whole commit; `null` where nobody knows. */
  readonly bytes: number | null;
  readonly totalBytes: number | null;
  /** The node that published this commit; `null` where the origin has it. */
  readonly publisher: string | null;
  /** ISO 8601. */
  readonly lastSeen: string;
}

/** "This node has this model": for programs that know of nodes or copies that swarmd does not see. */
export interface RegisterRequest {
  /** A node id, or any other name of at most 128 letters, digits and `._:-`. */
  readonly node: string;
  /** `org/model` or `org/model@<commit>`. */
  readonly model: string;
}

export interface RegisterResult {
  readonly node: string;
  readonly model: string;
}

export interface AddRequest {
  /** Absolute: a folder, or one file. */
  readonly path: string;
  /** `org/name` or `org/name@revision`. */
  readonly as: string;
}

/** The last line of an `add` that worked. */
export interface AddedEvent {
  readonly type: "added";
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: number;
  readonly bytes: number;
  /** The snapshot folder. */
  readonly path: string;
  /** This node: what others name with `--from`. */
  readonly publisher: string;
  /** Nothing was new: the same files had been published under this name before. */
  readonly isSame: boolean;
}

export type AddEvent = FileEvent | WarningEvent | AddedEvent | ErrorEvent;
