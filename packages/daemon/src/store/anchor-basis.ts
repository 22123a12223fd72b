/**
 * On whose word the file list of a commit rests, where it is not the origin's: `basis/<repo>/<commit>.json` in the state folder. No
 * file means the origin's.
 */
import { readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { type CommitId, type NodeId, parseNodeId, type RepoRef } from "@swarmd/protocol";
import { writeAtomically } from "./atomic-file.js";
import { repoPath } from "./cache-layout.js";

export class AnchorBasis {
  readonly #folder: string;

  constructor(stateDir: string) {
    this.#folder = join(stateDir, "basis");
  }

  async find(repo: RepoRef, commit: CommitId): Promise<{ readonly member: NodeId } | undefined> {
    try {
      const { member } = JSON.parse(await readFile(this.#path(repo, commit), "utf8")) as { member: string };
      return { member: parseNodeId(member) };
    } catch {
      return undefined;
    }
  }

  /** @throws SwarmError NO_SPACE, STORE_FAULT */
  async note(repo: RepoRef, commit: CommitId, { member }: { readonly member: NodeId }): Promise<void> {
    await writeAtomically(this.#path(repo, commit), `${JSON.stringify({ member })}\n`);
  }

  async clear(repo: RepoRef, commit: CommitId): Promise<void> {
    await rm(this.#path(repo, commit), { force: true });
  }

  #path(repo: RepoRef, commit: CommitId): string {
    return join(this.#folder, basename(repoPath("", repo)), `${commit}.json`);
  }
}
