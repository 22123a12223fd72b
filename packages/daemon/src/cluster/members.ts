/** Who belongs to the cluster, as far as this node has heard; kept in `members.json`, so that they can be found again without multicast. */
import { join } from "node:path";
import { type NodeId, parseNodeId } from "@swarmd/protocol";
import { MEMBERS_MAX, type WireMember } from "@swarmd/protocol/wire";
import { readSecret, removeSecret, writeSecret } from "./secret-file.js";

export interface Member {
  readonly id: NodeId;
  /** The machine's name. */
  readonly name: string;
  readonly addresses: readonly string[];
  /** When it was last known to be there, by the wall clock, in ms. */
  readonly lastSeenMs: number;
}

export class Members {
  readonly #path: string;
  readonly #members = new Map<NodeId, Member>();
  #isChanged = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(stateDir: string) {
    this.#path = join(stateDir, "members.json");
  }

  get all(): readonly Member[] {
    return [...this.#members.values()];
  }

  find(id: NodeId): Member | undefined {
    return this.#members.get(id);
  }

  /** What is not there, or makes no sense, is an empty list: members introduce themselves again. */
  async load(): Promise<void> {
    try {
      const { members } = JSON.parse((await readSecret(this.#path)) ?? '{"members":[]}') as { members: Member[] };
      for (const { id, name, addresses, lastSeenMs } of members.slice(0, MEMBERS_MAX)) {
        const isWhole = typeof name === "string" && Array.isArray(addresses) && Number.isFinite(lastSeenMs);
        if (isWhole) this.#members.set(parseNodeId(id), { id, name, addresses: addresses.map(String), lastSeenMs });
      }
    } catch {
      this.#members.clear();
    }
  }

  /** A member told of a member; the younger word counts, and what has no addresses keeps those it had. */
  note({ id, name, addresses, silentMs }: WireMember, nowMs: number): void {
    const known = this.#members.get(id);
    const lastSeenMs = nowMs - silentMs;
    if (known === undefined && this.#members.size >= MEMBERS_MAX) return;
    if (known !== undefined && known.lastSeenMs > lastSeenMs) return;
    this.#members.set(id, {
      id,
      name: name === "" ? (known?.name ?? "") : name,
      addresses: addresses.length === 0 ? (known?.addresses ?? []) : addresses,
      lastSeenMs,
    });
    this.#isChanged = true;
  }

  /** It is connected now. */
  seen(id: NodeId, nowMs: number): void {
    this.note({ id, name: "", addresses: [], silentMs: 0 }, nowMs);
  }

  remove(id: NodeId): void {
    this.#isChanged = this.#members.delete(id) || this.#isChanged;
  }

  /** Only these are left. */
  keep(ids: ReadonlySet<NodeId>): void {
    for (const id of [...this.#members.keys()]) if (!ids.has(id)) this.remove(id);
  }

  /** As members tell each other. */
  toWire(nowMs: number): WireMember[] {
    return this.all.map(({ id, name, addresses, lastSeenMs }) => ({
      id,
      name,
      addresses,
      silentMs: Math.max(0, Math.round(nowMs - lastSeenMs)),
    }));
  }

  /** Writes the list, if it has changed; one after the other. @throws SwarmError STORE_FAULT */
  save(): Promise<void> {
    const write = async () => {
      if (!this.#isChanged) return;
      this.#isChanged = false;
      await writeSecret(this.#path, `${JSON.stringify({ members: this.all }, undefined, 2)}\n`);
    };
    this.#saving = this.#saving.then(write, write);
    return this.#saving;
  }

  async clear(): Promise<void> {
    this.#members.clear();
    this.#isChanged = false;
    await this.#saving.catch(() => undefined);
    await removeSecret(this.#path);
  }
}
