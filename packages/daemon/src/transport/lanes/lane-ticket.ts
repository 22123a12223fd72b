/** Tickets: who may ask the direct lane for which blob, for how long. Given out over an authenticated stream. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { BlobId, NodeId } from "@swarmd/protocol";

/** Long enough that a pull renews seldom, short enough that a leaked one is soon worthless. */
const VALID_MS = 60_000;
/** The name by which a ticket is found; knowing it is worth nothing. */
const NAME_BYTES = 12;
const SECRET_BYTES = 32;
/** A pull of many small files has this many at a time at most; then the oldest of that peer go. */
const MOST_PER_PEER = 512;
const MOST = 16_384;

interface Entry {
  readonly name: string;
  readonly secret: Buffer;
  readonly peer: NodeId;
  readonly blob: BlobId;
  expiresAtMs: number;
}

export class Tickets {
  readonly #validMs: number;
  /** By name, the oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #byPeer = new Map<NodeId, Map<BlobId, Entry>>();

  constructor(opts: { readonly validMs?: number } = {}) {
    this.#validMs = opts.validMs ?? VALID_MS;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A ticket for this peer and blob; the one it has already, prolonged, while that is good. */
  issue(peer: NodeId, blob: BlobId, nowMs: number): { readonly ticket: string; readonly validMs: number } {
    this.#dropExpired(nowMs);
    const known = this.#byPeer.get(peer)?.get(blob);
    const entry = known ?? { name: randomName(), secret: randomBytes(SECRET_BYTES), peer, blob, expiresAtMs: 0 };
    if (known !== undefined) this.#remove(known);
    entry.expiresAtMs = nowMs + this.#validMs;
    this.#makeRoom(peer);
    this.#add(entry);
    return { ticket: `${entry.name}.${entry.secret.toString("base64url")}`, validMs: this.#validMs };
  }

  /** Whose ticket this is, if it is good for this blob now. Takes equally long whether the secret is nearly right or all wrong. */
  check(ticket: string, blob: BlobId, nowMs: number): NodeId | undefined {
    const [name = "", secret = ""] = ticket.split(".", 2);
    const entry = this.#entries.get(name);
    const given = Buffer.from(secret, "base64url");
    if (entry === undefined || given.length !== SECRET_BYTES) return undefined;
    const isRight = timingSafeEqual(given, entry.secret);
    return isRight && entry.blob === blob && nowMs < entry.expiresAtMs ? entry.peer : undefined;
  }

  /** A peer is banned or gone: its tickets are void. */
  revoke(peer: NodeId): void {
    for (const entry of [...(this.#byPeer.get(peer)?.values() ?? [])]) this.#remove(entry);
  }

  #makeRoom(peer: NodeId): void {
    const own = this.#byPeer.get(peer);
    if (own !== undefined && own.size >= MOST_PER_PEER) this.#remove(own.values().next().value as Entry);
    if (this.#entries.size >= MOST) this.#remove(this.#entries.values().next().value as Entry);
  }

  #add(entry: Entry): void {
    this.#entries.set(entry.name, entry);
    let own = this.#byPeer.get(entry.peer);
    if (own === undefined) {
      own = new Map();
      this.#byPeer.set(entry.peer, own);
    }
    own.set(entry.blob, entry);
  }

  #remove({ name, peer, blob }: Entry): void {
    this.#entries.delete(name);
    const own = this.#byPeer.get(peer);
    own?.delete(blob);
    if (own?.size === 0) this.#byPeer.delete(peer);
  }

  /** All live equally long, so the first that is good ends the search. */
  #dropExpired(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      if (nowMs < entry.expiresAtMs) return;
      this.#remove(entry);
    }
  }
}

function randomName(): string {
  return randomBytes(NAME_BYTES).toString("base64url");
}
