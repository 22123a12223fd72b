/** Repos of the embedded Hub: commits, branches and tags over files. Immutable commits, as on the real one. */
import type { RepoType } from "@swarmd/protocol";
import { type Content, type ContentInput, toContent } from "./content.js";
import { gitSha1Of, lfsPointer, sha1Hex, sha256Of } from "./digest.js";

/** A file as given: its content, or that with how the Hub keeps it. */
export type FileInput =
  | ContentInput
  | {
      readonly content: ContentInput;
      /** Default: by size (10 MiB and more) or name (`.safetensors`, `.gguf`, `.bin`, …). */
      readonly lfs?: boolean;
      /** 64 hex digits; shown in the tree and as X-Xet-Hash. There is no CAS behind it. */
      readonly xetHash?: string;
    };

export interface RepoSpec {
  /** Default `model`. */
  readonly type?: RepoType;
  /** `org/name`, or `name` for a canonical repo. */
  readonly name: string;
  /** The first commit on `main`. */
  readonly files?: Readonly<Record<string, FileInput>>;
  readonly private?: boolean;
  readonly gated?: boolean;
  readonly disabled?: boolean;
  /** Names it had before: they answer 307. */
  readonly formerNames?: readonly string[];
}

/** One file of one commit. */
export interface HubFile {
  readonly path: string;
  readonly content: Content;
  readonly isLfs: boolean;
  readonly xetHash: string | undefined;
  /** The commit that last changed it. */
  readonly commit: HubCommit;
}

export interface HubCommit {
  readonly id: string;
  readonly message: string;
  readonly date: Date;
  readonly parent: HubCommit | undefined;
  /** Filled once, before anyone sees the commit. */
  readonly files: ReadonlyMap<string, HubFile>;
}

export interface CommitOptions {
  /** Default `main`. A new branch starts from `main`. */
  readonly branch?: string;
  readonly message?: string;
  /** Paths to take away. */
  readonly remove?: readonly string[];
}

const LFS_SUFFIXES = [".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx", ".h5", ".msgpack", ".parquet", ".zip"];
const LFS_FROM_BYTES = 10 * 1024 * 1024;
/** Commits are dated from here, an hour apart, so that they are the same in every run. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

export class HubRepo {
  readonly type: RepoType;
  readonly name: string;
  readonly formerNames: readonly string[];
  isPrivate: boolean;
  isGated: boolean;
  isDisabled: boolean;
  readonly branches = new Map<string, HubCommit>();
  readonly tags = new Map<string, HubCommit>();
  readonly #commits = new Map<string, HubCommit>();

  constructor(spec: RepoSpec) {
    this.type = spec.type ?? "model";
    this.name = spec.name;
    this.formerNames = spec.formerNames ?? [];
    this.isPrivate = spec.private ?? false;
    this.isGated = spec.gated ?? false;
    this.isDisabled = spec.disabled ?? false;
    this.commit(spec.files ?? {}, { message: "initial commit" });
  }

  /** `org/name`, with `datasets/` or `spaces/` before it: as in the URL of a file, and in the counters. */
  get urlPath(): string {
    return this.type === "model" ? this.name : `${this.type}s/${this.name}`;
  }

  /** Adds and replaces files on a branch. Returns the id of the commit, which depends on history and files alone. */
  commit(changes: Readonly<Record<string, FileInput>>, options: CommitOptions = {}): string {
    const branch = options.branch ?? "main";
    const parent = this.branches.get(branch) ?? this.branches.get("main");
    const message = options.message ?? `change ${Object.keys(changes).join(", ")}`;
    const files = new Map(parent?.files);
    for (const path of options.remove ?? []) files.delete(path);
    const contents = Object.entries(changes).map(([path, input]) => [path, parseFile(path, input)] as const);
    const listing = contents.map(([path, file]) => `${path} ${file.content.key} ${file.isLfs}`).join("\n");
    const id = sha1Hex([this.urlPath, parent?.id, branch, message, listing, options.remove?.join("\n")].join("\n\n"));
    const commit = { id, message, parent, files, date: new Date(EPOCH_MS + this.#commits.size * 3_600_000) };
    for (const [path, file] of contents) files.set(path, { path, ...file, commit });
    this.#commits.set(id, commit);
    this.branches.set(branch, commit);
    return id;
  }

  /** Names a commit. `target` is a branch, tag or commit. */
  tag(name: string, target = "main"): void {
    const commit = this.findCommit(target);
    if (!commit) throw new Error(`${this.name} has no revision ${target} to tag`);
    this.tags.set(name, commit);
  }

  /** The commit of a branch, a tag, a ref (`refs/pr/1` is a branch of that name), a commit id, or `HEAD`. */
  findCommit(revision: string): HubCommit | undefined {
    const name = revision === "HEAD" ? "main" : revision.replace(/^refs\/(?:heads|tags)\//, "");
    return this.branches.get(name) ?? this.tags.get(name) ?? this.#commits.get(name);
  }

  /** Computes all digests, so that the first request need not. */
  async prepare(): Promise<void> {
    for (const commit of this.#commits.values()) {
      for (const file of commit.files.values()) await anchorOf(file);
    }
  }
}

/** What the Hub vouches for: sha256 for LFS files, git sha1 for the rest. */
export function anchorOf(file: HubFile): Promise<string> {
  return file.isLfs ? sha256Of(file.content) : gitSha1Of(file.content);
}

/** `oid` of a file in a tree: for LFS the git sha1 of its pointer. */
export async function treeOidOf(file: HubFile): Promise<string> {
  if (!file.isLfs) return gitSha1Of(file.content);
  return gitSha1Of(toContent(lfsPointer(await sha256Of(file.content), file.content.sizeBytes)));
}

function parseFile(path: string, input: FileInput): Pick<HubFile, "content" | "isLfs" | "xetHash"> {
  const detailed = typeof input === "object" && "content" in input ? input : { content: input };
  const content = toContent(detailed.content);
  const looksLfs = content.sizeBytes >= LFS_FROM_BYTES || LFS_SUFFIXES.some((suffix) => path.endsWith(suffix));
  return { content, isLfs: detailed.lfs ?? (looksLfs && content.sizeBytes > 0), xetHash: detailed.xetHash };
}
