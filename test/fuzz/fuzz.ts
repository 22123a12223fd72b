/**
 * Coverage-guided fuzzing of one decoder. An input that runs code that no input ran before joins the corpus, and mutation goes on from it.
 * The outcome is a pure function of corpus, seed and number of inputs, but for how long it takes.
 */
import { isErrorCode, SwarmError } from "@swarmd/protocol";
import { Coverage } from "./coverage.js";
import { FuzzDice, type Material, mutate } from "./mutate.js";
import type { FuzzTarget } from "./targets.js";

/** Coverage is read after so many inputs: reading it costs a millisecond or two. */
const BATCH = 2_000;
/** A decoder has seen its 4 KiB long before this, on the slowest machine. */
const HANG_MS = 2_000;

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  /** Off: a short run that only has to stay clean. */
  readonly guided: boolean;
}

export interface FuzzOutcome {
  readonly inputs: number;
  readonly accepted: number;
  /** How often each error code was the answer. */
  readonly codes: ReadonlyMap<string, number>;
  /** Inputs that reached new code, in the order in which they were found. */
  readonly found: readonly Uint8Array[];
  readonly failures: readonly FuzzFailure[];
  readonly slowestMs: number;
}

export interface FuzzFailure {
  readonly input: Uint8Array;
  readonly why: string;
}

const FAILURES_MAX = 10;

export function fuzz(target: FuzzTarget, options: FuzzOptions): FuzzOutcome {
  return new Fuzzer(target, options).run();
}

class Fuzzer {
  readonly #target: FuzzTarget;
  readonly #options: FuzzOptions;
  readonly #dice: FuzzDice;
  readonly #inputs: Uint8Array[];
  readonly #words: readonly Uint8Array[];
  readonly #codes = new Map<string, number>();
  readonly #found: Uint8Array[] = [];
  readonly #failures: FuzzFailure[] = [];
  readonly #kinds = new Set<string>();
  #accepted = 0;
  #count = 0;
  #slowestMs = 0;

  constructor(target: FuzzTarget, options: FuzzOptions) {
    this.#target = target;
    this.#options = options;
    this.#dice = new FuzzDice(options.seed);
    this.#inputs = [...target.samples, ...options.corpus];
    this.#words = (target.words ?? []).map((word) => Buffer.from(word, "latin1"));
  }

  run(): FuzzOutcome {
    const coverage = this.#options.guided ? new Coverage() : undefined;
    for (const input of this.#inputs) this.#try(input);
    for (const input of this.#inputs) this.#kinds.add(this.#kindOf(input));
    coverage?.takeNew();
    while (this.#count < this.#options.inputs && this.#failures.length < FAILURES_MAX) {
      const batch = this.#makeBatch();
      const before = performance.now();
      for (const input of batch) this.#try(input);
      this.#slowestMs = Math.max(this.#slowestMs, (performance.now() - before) / batch.length);
      if (coverage?.takeNew() === true) this.#keepWhatIsNew(batch, coverage);
    }
    coverage?.stop();
    return {
      inputs: this.#count,
      accepted: this.#accepted,
      codes: this.#codes,
      found: this.#found,
      failures: this.#failures,
      slowestMs: this.#slowestMs,
    };
  }

  #makeBatch(): Uint8Array[] {
    const material: Material = { inputs: this.#inputs, words: this.#words };
    const size = Math.min(BATCH, this.#options.inputs - this.#count);
    return Array.from({ length: size }, () => mutate(material, this.#dice));
  }

  /** The batch as a whole reached new code. V8 has counted that already, so the inputs are told apart by how they end. */
  #keepWhatIsNew(batch: readonly Uint8Array[], coverage: Coverage): void {
    const kinds = new Map<string, Uint8Array>();
    for (const input of batch) {
      const kind = this.#kindOf(input);
      if (!this.#kinds.has(kind) && !kinds.has(kind)) kinds.set(kind, input);
    }
    coverage.takeNew();
    for (const [kind, input] of kinds) {
      this.#kinds.add(kind);
      this.#inputs.push(input);
      this.#found.push(input);
    }
  }

  /** How decoding ends, numbers and names aside. */
  #kindOf(input: Uint8Array): string {
    try {
      this.#target.decode(input);
      return `read ${Math.ceil(Math.log2(input.length + 1))}`;
    } catch (error) {
      return String((error as Error).message)
        .replace(/"(?:[^"\\]|\\.)*"/g, '""')
        .replace(/\(.*\)?$/s, "()")
        .replace(/\d+/g, "0")
        .slice(0, 120);
    }
  }

  #try(input: Uint8Array): void {
    this.#count += 1;
    const before = performance.now();
    try {
      this.#target.decode(input);
      this.#accepted += 1;
    } catch (error) {
      this.#judge(input, error);
    }
    const elapsedMs = performance.now() - before;
    if (elapsedMs > HANG_MS) this.#fail(input, `took ${Math.round(elapsedMs)} ms`);
  }

  #judge(input: Uint8Array, error: unknown): void {
    if (!(error instanceof SwarmError) || !isErrorCode(error.code) || !this.#target.codes.includes(error.code)) {
      this.#fail(input, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
      return;
    }
    this.#codes.set(error.code, (this.#codes.get(error.code) ?? 0) + 1);
  }

  #fail(input: Uint8Array, why: string): void {
    if (this.#failures.length < FAILURES_MAX) this.#failures.push({ input, why });
  }
}
