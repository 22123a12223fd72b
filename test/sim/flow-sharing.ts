/**
 * The fluid: in each step every flow gets its max-min fair share of the links it crosses.
 *
 * A relay can't send what it does not have: a flow is also bounded by its source's watermark. Steps are short against the
 * time a shard takes; one hop of a relay lags by one step, about what flushing costs a real node.
 */
import { type FlowTable, ORIGIN } from "./flows.js";

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
  /** First how many flows use a link in this round, then what each of them may take. */
  readonly #upShare: Float64Array;
  readonly #downShare: Float64Array;
  #open = new Int32Array(0);

  constructor(links: Links) {
    this.#links = links;
    const nodes = links.up.length;
    this.#upLeft = new Float64Array(nodes);
    this.#downLeft = new Float64Array(nodes);
    this.#upShare = new Float64Array(nodes);
    this.#downShare = new Float64Array(nodes);
  }

  /**
   * Sets `given` of every flow.
   *
   * @param available bytes that a flow's source has beyond its position.
   */
  share(flows: FlowTable, stepMs: number, available: (slot: number) => number): void {
    const { up, down, originBytesPerMs, originPerConnectionBytesPerMs } = this.#links;
    for (let node = 0; node < up.length; node += 1) {
      this.#upLeft[node] = (up[node] as number) * stepMs;
      this.#downLeft[node] = (down[node] as number) * stepMs;
    }
    const { from, cap, given, active } = flows;
    if (this.#open.length < active.length) this.#open = new Int32Array(active.length);
    let open = 0;
    for (let index = 0; index < flows.count; index += 1) {
      const slot = active[index] as number;
      let most = available(slot);
      if (from[slot] === ORIGIN) most = Math.min(most, originPerConnectionBytesPerMs * stepMs);
      cap[slot] = most;
      given[slot] = 0;
      if (most > 0) this.#open[open++] = slot;
    }
    let originLeft = originBytesPerMs * stepMs;
    for (let round = 0; round < ROUNDS && open > 0; round += 1) {
      const originShare = originLeft / Math.max(1, this.#divide(flows, open));
      const result = this.#fill(flows, open, originShare, originLeft);
      open = result.open;
      originLeft = result.originLeft;
    }
  }

  /** One round. @returns how many flows could take more, and what is left of the origin's line. */
  #fill(
    { from, to, cap, given }: FlowTable,
    open: number,
    originShare: number,
    originAtStart: number,
  ): { readonly open: number; readonly originLeft: number } {
    const slots = this.#open;
    const [upLeft, downLeft, upShare, downShare] = [this.#upLeft, this.#downLeft, this.#upShare, this.#downShare];
    let originLeft = originAtStart;
    let next = 0;
    for (let index = 0; index < open; index += 1) {
      const slot = slots[index] as number;
      const source = from[slot] as number;
      const sink = to[slot] as number;
      let bytes = (cap[slot] as number) - (given[slot] as number);
      const fromShare = source === ORIGIN ? originShare : (upShare[source] as number);
      if (fromShare < bytes) bytes = fromShare;
      const toShare = downShare[sink] as number;
      if (toShare < bytes) bytes = toShare;
      if (bytes <= 0) continue;
      given[slot] = (given[slot] as number) + bytes;
      if (source === ORIGIN) originLeft -= bytes;
      else upLeft[source] = (upLeft[source] as number) - bytes;
      downLeft[sink] = (downLeft[sink] as number) - bytes;
      if ((cap[slot] as number) - (given[slot] as number) > 1) slots[next++] = slot;
    }
    return { open: next, originLeft };
  }

  /**
   * Shares are those at the start of the round: nobody is better off for coming first.
   *
   * @returns how many open flows the origin has.
   */
  #divide({ from, to }: FlowTable, open: number): number {
    const [upShare, downShare] = [this.#upShare, this.#downShare];
    upShare.fill(0);
    downShare.fill(0);
    let origin = 0;
    for (let index = 0; index < open; index += 1) {
      const slot = this.#open[index] as number;
      const source = from[slot] as number;
      const sink = to[slot] as number;
      if (source === ORIGIN) origin += 1;
      else upShare[source] = (upShare[source] as number) + 1;
      downShare[sink] = (downShare[sink] as number) + 1;
    }
    for (let node = 0; node < upShare.length; node += 1) {
      upShare[node] = (this.#upLeft[node] as number) / Math.max(1, upShare[node] as number);
      downShare[node] = (this.#downLeft[node] as number) / Math.max(1, downShare[node] as number);
    }
    return origin;
  }
}
