/** What was found out lately: forgotten after its time, or when there is too much of it. */
export class ExpiringMap<Value> {
  readonly #most: number;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, { readonly value: Value; readonly untilMs: number }>();

  /** @param options.most entries; the one that was set first goes first */
  constructor(options: { readonly most: number }, deps: { readonly nowMs: () => number }) {
    this.#most = options.most;
    this.#nowMs = deps.nowMs;
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.untilMs > this.#nowMs()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: Value, keepMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, untilMs: this.#nowMs() + keepMs });
    if (this.#entries.size > this.#most) this.#entries.delete(this.#entries.keys().next().value as string);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}

/** Several who ask the same at the same time get the answer to one question. */
export class SingleFlight<Value> {
  readonly #running = new Map<string, Promise<Value>>();

  run(key: string, work: () => Promise<Value>): Promise<Value> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const started = work().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}
