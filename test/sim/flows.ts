/**
 * Bytes on the move, as a fluid: in each step every flow gets its max-min fair share of the links it crosses.
 *
 * A relay can't send what it does not have: a flow is also bounded by its source's watermark. Steps are short against the
 * time a shard takes; one hop of a relay lags by one step, about what flushing costs a real node.
 */

/** The origin, as a source of flows. */
export const ORIGIN = -1;

export interface Flow {
  /** Node index, or {@link ORIGIN}. */
  readonly from: number;
  readonly to: number;
  readonly blob: number;
  readonly attempt: number;
  readonly request: number;
  readonly endBytes: number;
  positionBytes: number;
  /** Some of its bytes were wrong. */
  isBad: boolean;
  isOver: boolean;
  reportedBytes: number;
  reportedMs: number;
  /** Scratch of one step: bytes that can still be moved, bytes given. */
  capBytes: number;
  givenBytes: number;
}

export interface Links {
  /** Bytes per ms, per node. */
  readonly up: Float64Array;
  readonly down: Float64Array;
  readonly originBytesPerMs: number;
  readonly originPerConnectionBytesPerMs: number;
}

/** Rounds of water filling: what is left after these is under a percent. */
const ROUNDS = 5;

export class FlowSharing {
  readonly #links: Links;
  readonly #upLeft: Float64Array;
  readonly #downLeft: Float64Array;
  readonly #upCount: Int32Array;
  readonly #downCount: Int32Array;

  constructor(links: Links) {
    this.#links = links;
    const nodes = links.up.length;
    this.#upLeft = new Float64Array(nodes);
    this.#downLeft = new Float64Array(nodes);
    this.#upCount = new Int32Array(nodes);
    this.#downCount = new Int32Array(nodes);
  }

  /**
   * Sets `givenBytes` of every flow.
   *
   * @param available bytes that a flow's source has beyond its position.
   */
  share(flows: readonly Flow[], stepMs: number, available: (flow: Flow) => number): void {
    const { up, down, originBytesPerMs, originPerConnectionBytesPerMs } = this.#links;
    for (let node = 0; node < up.length; node += 1) {
      this.#upLeft[node] = (up[node] as number) * stepMs;
      this.#downLeft[node] = (down[node] as number) * stepMs;
    }
    let open: Flow[] = [];
    for (const flow of flows) {
      const mostBytes = flow.from === ORIGIN ? originPerConnectionBytesPerMs * stepMs : Number.POSITIVE_INFINITY;
      flow.capBytes = Math.min(available(flow), mostBytes);
      flow.givenBytes = 0;
      if (flow.capBytes > 0) open.push(flow);
    }
    let originLeft = originBytesPerMs * stepMs;
    for (let round = 0; round < ROUNDS && open.length > 0; round += 1) {
      const originCount = this.#countUsers(open);
      const originShare = originLeft / Math.max(1, originCount);
      const next: Flow[] = [];
      // Shares are those at the start of the round: nobody is better off for coming first.
      const upShare = this.#upLeft.map((left, node) => left / Math.max(1, this.#upCount[node] as number));
      const downShare = this.#downLeft.map((left, node) => left / Math.max(1, this.#downCount[node] as number));
      for (const flow of open) {
        const source = flow.from === ORIGIN ? originShare : (upShare[flow.from] as number);
        const bytes = Math.min(flow.capBytes - flow.givenBytes, source, downShare[flow.to] as number);
        if (bytes <= 0) continue;
        flow.givenBytes += bytes;
        if (flow.from === ORIGIN) originLeft -= bytes;
        else this.#upLeft[flow.from] = (this.#upLeft[flow.from] as number) - bytes;
        this.#downLeft[flow.to] = (this.#downLeft[flow.to] as number) - bytes;
        if (flow.capBytes - flow.givenBytes > 1) next.push(flow);
      }
      open = next;
    }
  }

  #countUsers(open: readonly Flow[]): number {
    this.#upCount.fill(0);
    this.#downCount.fill(0);
    let origin = 0;
    for (const { from, to } of open) {
      if (from === ORIGIN) origin += 1;
      else this.#upCount[from] = (this.#upCount[from] as number) + 1;
      this.#downCount[to] = (this.#downCount[to] as number) + 1;
    }
    return origin;
  }
}
