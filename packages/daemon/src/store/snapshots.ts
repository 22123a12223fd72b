/** The folders that readers open: `snapshots/<commit>/` with links to blobs, and `refs/` that name commits. */
import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { type BlobId, type CommitId, checkFileNames, isCommitId, type Revision, SwarmError } from "@swarmd/protocol";
import { writeAtomically } from "./atomic-file.js";
import { blobPath, findBlobOfName, linkTarget, noExistPath, refPath, snapshotPath } from "./cache-layout.js";
import { errnoOf, toStoreError } from "./disk-faults.js";
import { placeFile } from "./place-file.js";

export interface SnapshotFile {
  readonly commit: CommitId;
  /** As the repo names it, `/`-separated. */
  readonly path: string;
  readonly blob: BlobId;
}

/** What a file system without symbolic links says. */
const NO_SYMLINKS: readonly (string | undefined)[] = ["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL"];

/**
 * Makes `snapshots/<commit>/<path>` lead to a blob that is there already. Done again, it changes nothing.
 *
 * @throws SwarmError UNSAFE_FILE_NAME when the name, or a link in its way, leads out of the snapshot; STORE_FAULT, NO_SPACE
 */
export async function linkIntoSnapshot(
  repoFolder: string,
  { commit, path, blob }: SnapshotFile,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  checkFileNames([path]);
  const snapshot = snapshotPath(repoFolder, commit);
  const final = join(snapshot, ...path.split("/"));
  try {
    await makeFolders(snapshot, path.split("/").slice(0, -1));
    await makeLink(repoFolder, linkTarget(path, blob), final);
    return final;
  } catch (error) {
    if (!NO_SYMLINKS.includes(errnoOf(error))) throw toStoreError(error, "link", final);
  }
  await placeFile(blobPath(repoFolder, blob), final, options);
  return final;
}

/** Makes the folders one by one, and none through a link: that would lead out. */
async function makeFolders(snapshot: string, segments: readonly string[]): Promise<void> {
  await mkdir(snapshot, { recursive: true });
  let folder = snapshot;
  for (const segment of segments) {
    folder = join(folder, segment);
    await mkdir(folder).catch(async (error) => {
      if (errnoOf(error) !== "EEXIST") throw error;
      if ((await lstat(folder)).isDirectory()) return;
      throw new SwarmError("UNSAFE_FILE_NAME", `${folder} should be a folder, but is a file or a link`, {
        hint: "Remove it, then pull again.",
      });
    });
  }
}

/** Whether the snapshot has this file and it leads to this blob, which is there. */
export async function isLinkedInSnapshot(repoFolder: string, { commit, path, blob }: SnapshotFile): Promise<boolean> {
  const final = join(snapshotPath(repoFolder, commit), ...path.split("/"));
  try {
    const [link, content] = await Promise.all([lstat(final), stat(blobPath(repoFolder, blob))]);
    if (link.isSymbolicLink()) return (await readlink(final)) === linkTarget(path, blob);
    // Where there are no symbolic links it is a hard link or a copy.
    return link.isFile() && link.size === content.size;
  } catch {
    return false;
  }
}

async function makeLink(repoFolder: string, target: string, final: string): Promise<void> {
  try {
    await symlink(target, final);
    return;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  if ((await readlink(final).catch(() => undefined)) === target) return;
  // A link is only text, so it may be made elsewhere, out of sight of who lists the snapshot.
  const temporary = join(repoFolder, `.link-${randomBytes(4).toString("hex")}.tmp`);
  await symlink(target, temporary);
  await rename(temporary, final).catch(async (error) => {
    await rm(temporary, { force: true });
    throw error;
  });
}

/** Points a branch or tag at a commit. A commit needs no ref, only the folder that readers look into. */
export async function writeRef(repoFolder: string, revision: Revision, commit: CommitId): Promise<void> {
  if (isCommitId(revision)) {
    await mkdir(join(repoFolder, "refs"), { recursive: true }).catch((error) => {
      throw toStoreError(error, "make", join(repoFolder, "refs"));
    });
    return;
  }
  if ((await readRef(repoFolder, revision)) === commit) return;
  await writeAtomically(refPath(repoFolder, revision), commit);
}

/** The commit a branch or tag pointed at when it was last asked for. */
export async function readRef(repoFolder: string, revision: Revision): Promise<CommitId | undefined> {
  const text = await readFile(refPath(repoFolder, revision), "utf8").catch(() => "");
  const commit = text.trim();
  return isCommitId(commit) ? commit : undefined;
}

/** The blob that the snapshot's link names, as far as the link makes sense. */
export async function findLinkedBlob(repoFolder: string, commit: CommitId, path: string): Promise<BlobId | undefined> {
  checkFileNames([path]);
  const target = await readlink(join(snapshotPath(repoFolder, commit), ...path.split("/"))).catch(() => undefined);
  const blob = target === undefined ? undefined : findBlobOfName(basename(target));
  return blob !== undefined && target === linkTarget(path, blob) ? blob : undefined;
}

/** huggingface_hub has asked for this file before, and it was not there. */
export async function isMarkedAbsent(repoFolder: string, commit: CommitId, path: string): Promise<boolean> {
  checkFileNames([path]);
  return stat(join(noExistPath(repoFolder, commit), ...path.split("/"))).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** Every ref that was written, by its name. */
export async function listRefs(repoFolder: string): Promise<{ revision: Revision; commit: CommitId }[]> {
  const folder = join(repoFolder, "refs");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const refs: { revision: Revision; commit: CommitId }[] = [];
  for (const entry of entries.filter((one) => one.isFile())) {
    const name = relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/");
    const commit = await readRef(repoFolder, name as Revision);
    if (commit !== undefined) refs.push({ revision: name as Revision, commit });
  }
  return refs.sort((a, b) => (a.revision < b.revision ? -1 : 1));
}
