/** The files of a folder that is to be published: plain files only, and nothing from outside. */
import { lstat, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SwarmError } from "@swarmd/protocol";
import { LISTED_FILES_MAX } from "@swarmd/protocol/wire";

export interface FoundFile {
  /** In the repo: relative, `/`-separated. */
  readonly path: string;
  /** Absolute. */
  readonly source: string;
  readonly sizeBytes: number;
}

/** What tools leave in a model's folder, and nobody means to publish; as the Hub's own upload. */
const LEFT_OUT: readonly RegExp[] = [/^\.git$/, /^\.cache\/huggingface$/, /(?:^|\/)\.DS_Store$/];
/** Deeper than any repo; a folder mounted into itself has no end. */
const DEPTH_MAX = 64;

/**
 * Every file below a folder, or the one file, sorted by name.
 *
 * @throws SwarmError USAGE for what is no folder or file, is empty, holds links or devices, or has too many files; INTERRUPTED on abort
 */
export async function walkFolder(
  path: string,
  { signal, filesMax = LISTED_FILES_MAX }: { readonly signal: AbortSignal; readonly filesMax?: number },
): Promise<readonly FoundFile[]> {
  const root = await look(path);
  if (root.isFile()) return [{ path: basename(path), source: path, sizeBytes: root.size }];
  if (!root.isDirectory()) throw noPlainFile(path, root.isSymbolicLink());
  const files: FoundFile[] = [];
  const visit = async (folder: string, prefix: string, depth: number): Promise<void> => {
    if (depth > DEPTH_MAX) throw new SwarmError("USAGE", `${folder} lies more than ${DEPTH_MAX} folders deep`);
    const entries = await readdir(folder, { withFileTypes: true }).catch((cause) =>
      Promise.reject(unreadable(folder, cause)),
    );
    for (const entry of entries) {
      if (signal.aborted) throw new SwarmError("INTERRUPTED", "stopped while looking for files");
      const name = `${prefix}${entry.name}`;
      const source = join(folder, entry.name);
      if (LEFT_OUT.some((pattern) => pattern.test(name))) continue;
      if (entry.isDirectory()) await visit(source, `${name}/`, depth + 1);
      else if (entry.isFile()) files.push({ path: name, source, sizeBytes: (await look(source)).size });
      else throw noPlainFile(source, entry.isSymbolicLink());
      if (files.length > filesMax) throw tooMany(path, filesMax);
    }
  };
  await visit(path, "", 0);
  if (files.length === 0) {
    throw new SwarmError("USAGE", `${path} holds no file`, { hint: "Name the folder that has the model's files." });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function look(path: string) {
  return lstat(path).catch((cause: NodeJS.ErrnoException) => Promise.reject(unreadable(path, cause)));
}

function unreadable(path: string, cause: NodeJS.ErrnoException): SwarmError {
  const isMissing = cause.code === "ENOENT" || cause.code === "ENOTDIR";
  return new SwarmError("USAGE", isMissing ? `there is no ${path}` : `${path} can't be read (${cause.code})`, {
    cause,
    hint: isMissing ? `Is it in ${dirname(path)}?` : "The daemon reads it: give its user the right to.",
  });
}

function noPlainFile(path: string, isLink: boolean): SwarmError {
  if (!isLink) {
    return new SwarmError("USAGE", `${path} is neither a file nor a folder`, {
      hint: "Only plain files are published.",
    });
  }
  return new SwarmError("USAGE", `${path} is a link`, {
    hint: "A link may lead anywhere, so none is followed: put the file itself there (cp -L), or name the folder it leads to.",
  });
}

function tooMany(path: string, filesMax: number): SwarmError {
  return new SwarmError("USAGE", `${path} has more than ${filesMax} files`, {
    hint: "Publish its parts under names of their own, or pack the files into archives.",
  });
}
