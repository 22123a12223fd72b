/** What was ordered for the background, in a file that outlives the node. */
import {
  type BackgroundRequest,
  type PrefetchRequest,
  parseBackgroundRequest,
  parsePrefetchRequest,
} from "@swarmd/protocol/api";
import type { Records } from "./ports.js";

export interface KeptJob extends BackgroundRequest {
  readonly id: number;
}

export interface Orders {
  /** The highest id that was ever given. */
  readonly lastId: number;
  readonly jobs: readonly KeptJob[];
  readonly lists: readonly PrefetchRequest[];
}

const NOTHING: Orders = { lastId: 0, jobs: [], lists: [] };

/** What makes no sense is left out: it is a file that people may look into. */
export function parseOrders(text: string | undefined): Orders {
  let parsed: { lastId?: unknown; jobs?: unknown; lists?: unknown };
  try {
    parsed = JSON.parse(text ?? "") ?? {};
  } catch {
    return NOTHING;
  }
  const jobs = each(parsed.jobs, (value): KeptJob => {
    const { id, ...request } = value as { id: unknown };
    if (!isId(id)) throw new Error("no id");
    return { id, ...parseBackgroundRequest(request) };
  });
  const lists = each(parsed.lists, (value) => parsePrefetchRequest(value));
  const lastId = Math.max(isId(parsed.lastId) ? parsed.lastId : 0, ...jobs.map(({ id }) => id));
  return { lastId, jobs, lists };
}

function each<Item>(values: unknown, parse: (value: unknown) => Item): readonly Item[] {
  if (!Array.isArray(values)) return [];
  return values.flatMap((value) => {
    try {
      return [parse(value)];
    } catch {
      return [];
    }
  });
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

export class JobBook {
  readonly #records: Records | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param records `undefined`: for a node that comes and goes, nothing is written down */
  constructor(records: Records | undefined) {
    this.#records = records;
  }

  async load(): Promise<Orders> {
    return this.#records === undefined ? NOTHING : parseOrders(await this.#records.read());
  }

  /** One after the other. @throws SwarmError NO_SPACE, STORE_FAULT */
  save(orders: Orders): Promise<void> {
    const records = this.#records;
    if (records === undefined) return Promise.resolve();
    const writing = this.#writing.then(() => records.write(`${JSON.stringify(orders, null, 1)}\n`));
    this.#writing = writing.catch(() => undefined);
    return writing;
  }
}
