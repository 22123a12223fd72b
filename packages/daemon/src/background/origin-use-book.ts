/** Counts what comes from the origin, day by day, and writes it down while it counts. */
import { addBytes, type DayUse, emptyDay, leftBytes, onDay } from "../core/policy/background/origin-use.js";
import type { Records } from "./ports.js";

/** A process that is killed forgets at most what came in so long. */
const SAVE_AFTER_MS = 1_000;

export class OriginUseBook {
  readonly #budgetBytes: number | undefined;
  readonly #records: Records;
  #use: DayUse = emptyDay("");
  #saved: DayUse = this.#use;
  #isLoaded = false;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: { readonly budgetBytes: number | undefined }, deps: { readonly records: Records }) {
    this.#budgetBytes = options.budgetBytes;
    this.#records = deps.records;
  }

  /** What makes no sense counts as nothing. */
  async load(day: string): Promise<void> {
    const kept = onDay(parseUse(await this.#records.read()) ?? emptyDay(day), day);
    // What came in meanwhile counts too.
    const { backgroundBytes, foregroundBytes } = this.#use;
    this.#saved = kept;
    this.#use = addBytes(addBytes(kept, backgroundBytes, true), foregroundBytes, false);
    this.#isLoaded = true;
  }

  get today(): DayUse & { readonly budgetBytes: number | null } {
    return { ...this.#use, budgetBytes: this.#budgetBytes ?? null };
  }

  get leftBytes(): number {
    return leftBytes(this.#use, this.#budgetBytes);
  }

  /** It is this day now. */
  roll(day: string): void {
    this.#use = onDay(this.#use, day);
  }

  /** @returns whether these bytes used up the budget */
  note(bytes: number, isBackground: boolean): boolean {
    const before = this.leftBytes;
    this.#use = addBytes(this.#use, bytes, isBackground);
    this.#timer ??= setTimeout(() => this.#save(), SAVE_AFTER_MS).unref();
    return before > 0 && this.leftBytes === 0;
  }

  async stop(): Promise<void> {
    this.#save();
    await this.#saving;
  }

  #save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#use === this.#saved || !this.#isLoaded) return;
    const use = this.#use;
    this.#saved = use;
    // A full disk must not end a pull: it is written down the next time.
    this.#saving = this.#saving.then(() => this.#records.write(`${JSON.stringify(use)}\n`)).catch(() => undefined);
  }
}

function parseUse(text: string | undefined): DayUse | undefined {
  try {
    const { day, backgroundBytes, foregroundBytes } = JSON.parse(text ?? "") as Record<string, unknown>;
    const isDay = typeof day === "string" && /^\d{4}-\d\d-\d\d$/.test(day);
    if (!isDay || !isCount(backgroundBytes) || !isCount(foregroundBytes)) return undefined;
    return { day, backgroundBytes, foregroundBytes };
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
