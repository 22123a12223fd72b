/** Who has answered lately: what it said need not be read again, and it need not say it again when we ask. */

/** A node on the LAN, as its answer describes it. */
export interface HeardAnswer<Peer> {
  /** The instance of the service: another one after each start of the node. */
  readonly instance: string;
  readonly peer: Peer;
}

interface Entry<Peer> extends HeardAnswer<Peer> {
  readonly bytes: string;
  heardMs: number;
}

/** Half of the 120 s for which an answer says that it holds: from then on it is worth hearing again. */
export const KNOWN_MS = 60_000;
/** No LAN has more; an impostor can't make us remember more. */
const PEERS_MAX = 1_024;

export class KnownPeers<Peer> {
  readonly #byInstance = new Map<string, Entry<Peer>>();
  readonly #byBytes = new Map<string, Entry<Peer>>();

  /** Whose answer this is, byte for byte, if it came before. Then it counts as heard again. */
  find(datagram: Buffer, nowMs: number): Peer | undefined {
    const entry = this.#byBytes.get(datagram.toString("latin1"));
    if (entry !== undefined) entry.heardMs = nowMs;
    return entry?.peer;
  }

  note(datagram: Buffer, { instance, peer }: HeardAnswer<Peer>, nowMs: number): void {
    this.#forget(this.#byInstance.get(instance));
    if (this.#byInstance.size >= PEERS_MAX) this.#forget(this.#byInstance.values().next().value);
    const entry = { instance, peer, bytes: datagram.toString("latin1"), heardMs: nowMs };
    this.#byInstance.set(instance, entry);
    this.#byBytes.set(entry.bytes, entry);
  }

  /** Instances that need not answer. */
  fresh(nowMs: number): readonly string[] {
    return [...this.#byInstance.values()]
      .filter(({ heardMs }) => nowMs - heardMs < KNOWN_MS)
      .map(({ instance }) => instance);
  }

  /** They have to answer again. */
  forget(isMeant: (peer: Peer) => boolean): void {
    for (const entry of [...this.#byInstance.values()]) if (isMeant(entry.peer)) this.#forget(entry);
  }

  clear(): void {
    this.#byInstance.clear();
    this.#byBytes.clear();
  }

  #forget(entry: Entry<Peer> | undefined): void {
    if (entry === undefined) return;
    this.#byInstance.delete(entry.instance);
    this.#byBytes.delete(entry.bytes);
  }
}
