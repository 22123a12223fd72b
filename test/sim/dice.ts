/** Random numbers that depend on the seed alone (mulberry32), so that a run can be repeated. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** `count` different numbers below `below`, in random order. */
  pick(count: number, below: number): number[] {
    const numbers = Array.from({ length: below }, (_, index) => index);
    for (let index = 0; index < Math.min(count, below); index += 1) {
      const other = index + Math.floor(this.next() * (below - index));
      [numbers[index], numbers[other]] = [numbers[other] as number, numbers[index] as number];
    }
    return numbers.slice(0, count);
  }
}
