/** All repos of one Hub, by type and name. */
import type { RepoType } from "@swarmd/protocol";
import { HubRepo, type RepoSpec } from "./repos.js";

export class RepoShelf {
  #repos = new Map<string, HubRepo>();

  add(spec: RepoSpec): HubRepo {
    const repo = new HubRepo(spec);
    this.#repos.set(keyOf(repo.type, repo.name), repo);
    return repo;
  }

  remove(type: RepoType, name: string): void {
    this.#repos.delete(keyOf(type, name));
  }

  /** The repo of this exact name, of a former name, or of another spelling: compare its `name` with what was asked. */
  find(type: RepoType, name: string): HubRepo | undefined {
    const exact = this.#repos.get(keyOf(type, name));
    if (exact?.name === name) return exact;
    const former = [...this.#repos.values()].find((repo) => repo.type === type && repo.formerNames.includes(name));
    return former ?? exact;
  }

  all(): readonly HubRepo[] {
    return [...this.#repos.values()];
  }
}

function keyOf(type: RepoType, name: string): string {
  return `${type} ${name.toLowerCase()}`;
}
