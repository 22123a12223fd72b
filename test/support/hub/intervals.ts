/** Which byte ranges of a file have been sent, and so which were sent twice. */

export class IntervalSet {
  /** Disjoint, not touching, in order: start (inclusive) and end (exclusive) in turn. */
  #edges: number[] = [];

  /** Adds `[start, end)`; returns how many of its bytes were there before. */
  add(start: number, end: number): number {
    if (end <= start) return 0;
    const edges = this.#edges;
    // Intervals first..last-1 (as indexes into edges, steps of 2) overlap or touch the new one.
    let first = this.#lowerBound(start);
    if (first % 2 === 1) first -= 1;
    let last = first;
    let overlap = 0;
    let mergedStart = start;
    let mergedEnd = end;
    while (last < edges.length && (edges[last] as number) <= end) {
      const from = edges[last] as number;
      const to = edges[last + 1] as number;
      overlap += Math.max(0, Math.min(to, end) - Math.max(from, start));
      mergedStart = Math.min(mergedStart, from);
      mergedEnd = Math.max(mergedEnd, to);
      last += 2;
    }
    edges.splice(first, last - first, mergedStart, mergedEnd);
    return overlap;
  }

  /** How many different bytes are in the set. */
  get coveredBytes(): number {
    let sum = 0;
    for (let i = 0; i < this.#edges.length; i += 2) sum += (this.#edges[i + 1] as number) - (this.#edges[i] as number);
    return sum;
  }

  /** Index of the first edge that is not below `value`. */
  #lowerBound(value: number): number {
    let low = 0;
    let high = this.#edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#edges[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
