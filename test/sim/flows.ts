/**
 * Bytes on the move, in columns: one slot per transfer. Tens of thousands move at a time with a thousand nodes, and each is
 * touched in every step.
 */

/** The origin, as a source of flows. */
export const ORIGIN = -1;

/** What a flow is made from. */
export interface FlowStart {
  /** Node index, or {@link ORIGIN}. */
  readonly from: number;
  readonly to: number;
  readonly blob: number;
  readonly attempt: number;
  readonly request: number;
  readonly startBytes: number;
  readonly endBytes: number;
}

const FIRST_CAPACITY = 256;

export class FlowTable {
  /** Slots of flows under way, in the order in which they began; those that are over go with the next {@link sweep}. */
  active = new Int32Array(FIRST_CAPACITY);
  count = 0;
  from = new Int32Array(FIRST_CAPACITY);
  to = new Int32Array(FIRST_CAPACITY);
  blob = new Int32Array(FIRST_CAPACITY);
  attempt = new Float64Array(FIRST_CAPACITY);
  request = new Float64Array(FIRST_CAPACITY);
  position = new Float64Array(FIRST_CAPACITY);
  end = new Float64Array(FIRST_CAPACITY);
  /** Some of its bytes were wrong. */
  isBad = new Uint8Array(FIRST_CAPACITY);
  isOver = new Uint8Array(FIRST_CAPACITY);
  /** What the engine was told last, when it is to be told again, and the end of the shard that it waits for. */
  reported = new Float64Array(FIRST_CAPACITY);
  dueMs = new Float64Array(FIRST_CAPACITY);
  boundary = new Float64Array(FIRST_CAPACITY);
  /** Of one step: bytes that could be moved, bytes that were. */
  cap = new Float64Array(FIRST_CAPACITY);
  given = new Float64Array(FIRST_CAPACITY);
  readonly #free: number[] = [];
  #used = 0;

  /** @returns its slot, valid until the sweep after it is over. */
  open({ from, to, blob, attempt, request, startBytes, endBytes }: FlowStart, boundary: number): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.from.length) this.#grow();
    this.from[slot] = from;
    this.to[slot] = to;
    this.blob[slot] = blob;
    this.attempt[slot] = attempt;
    this.request[slot] = request;
    this.position[slot] = startBytes;
    this.end[slot] = endBytes;
    this.isBad[slot] = 0;
    this.isOver[slot] = 0;
    this.reported[slot] = startBytes;
    this.dueMs[slot] = 0;
    this.boundary[slot] = boundary;
    this.active[this.count++] = slot;
    return slot;
  }

  /** Lets go of those that are over. */
  sweep(): void {
    let kept = 0;
    for (let index = 0; index < this.count; index += 1) {
      const slot = this.active[index] as number;
      if (this.isOver[slot] === 1) this.#free.push(slot);
      else this.active[kept++] = slot;
    }
    this.count = kept;
  }

  /** Slots of flows that are not over. */
  *slots(): Generator<number> {
    for (let index = 0; index < this.count; index += 1) {
      const slot = this.active[index] as number;
      if (this.isOver[slot] === 0) yield slot;
    }
  }

  #grow(): void {
    this.active = longer(this.active);
    this.from = longer(this.from);
    this.to = longer(this.to);
    this.blob = longer(this.blob);
    this.attempt = longer(this.attempt);
    this.request = longer(this.request);
    this.position = longer(this.position);
    this.end = longer(this.end);
    this.isBad = longer(this.isBad);
    this.isOver = longer(this.isOver);
    this.reported = longer(this.reported);
    this.dueMs = longer(this.dueMs);
    this.boundary = longer(this.boundary);
    this.cap = longer(this.cap);
    this.given = longer(this.given);
  }
}

function longer<Column extends Int32Array | Float64Array | Uint8Array>(column: Column): Column {
  const twice = new (column.constructor as new (length: number) => Column)(2 * column.length);
  twice.set(column);
  return twice;
}
