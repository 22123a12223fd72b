/** What people want to keep: `pins.json` in the state folder, for people to read too. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "./atomic-file.js";

export interface PinRecord {
  /** As `formatRepo` has it. */
  readonly repo: string;
  /** A branch, tag or commit; what is current when left out. */
  readonly revision?: string;
  /** On the LAN, this node's included. */
  readonly copies: number;
}

const MOST_COPIES = 1_000;

export class Pins {
  readonly #path: string;
  #pins: readonly PinRecord[] = [];

  constructor(stateDir: string) {
    this.#path = join(stateDir, "pins.json");
  }

  get pins(): readonly PinRecord[] {
    return this.#pins;
  }

  /** What makes no sense is left out. */
  async load(): Promise<void> {
    const text = await readFile(this.#path, "utf8").catch(() => "");
    try {
      const { pins } = JSON.parse(text) as { pins: unknown };
      this.#pins = Array.isArray(pins) ? pins.filter(isPin) : [];
    } catch {
      this.#pins = [];
    }
  }

  /** Adds a pin, or changes how many copies it asks for. @throws SwarmError NO_SPACE, STORE_FAULT: then nothing has changed */
  async add(pin: PinRecord): Promise<void> {
    await this.#write([...this.#pins.filter((one) => !isSame(one, pin)), pin]);
  }

  /** @returns whether there was such a pin. @throws SwarmError NO_SPACE, STORE_FAULT */
  async remove(pin: Pick<PinRecord, "repo" | "revision">): Promise<boolean> {
    const rest = this.#pins.filter((one) => !isSame(one, pin));
    if (rest.length === this.#pins.length) return false;
    await this.#write(rest);
    return true;
  }

  async #write(pins: readonly PinRecord[]): Promise<void> {
    await writeAtomically(this.#path, `${JSON.stringify({ pins }, null, 1)}\n`);
    this.#pins = pins;
  }
}

function isSame(a: Pick<PinRecord, "repo" | "revision">, b: Pick<PinRecord, "repo" | "revision">): boolean {
  return a.repo === b.repo && a.revision === b.revision;
}

function isPin(value: unknown): value is PinRecord {
  const { repo, revision, copies } = (value ?? {}) as Partial<Record<keyof PinRecord, unknown>>;
  const isCount = Number.isInteger(copies) && (copies as number) >= 1 && (copies as number) <= MOST_COPIES;
  return typeof repo === "string" && isCount && (revision === undefined || typeof revision === "string");
}
