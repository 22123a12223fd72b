/** The one line per decision, on stderr and in the event log, and the counters. */
import type { Victim } from "../core/policy/eviction/cache-state.js";
import type { Inventory } from "./inventory.js";
import type { KeeperDeps, KeeperOptions } from "./ports.js";

export type Action = "hit" | "link" | "pull" | "reject" | "upkeep";

/** In a log line. */
const MOST_LISTED = 50;

export class DecisionLog {
  readonly #options: Pick<KeeperOptions, "policy">;
  readonly #deps: Pick<KeeperDeps, "events" | "logger">;
  readonly #counters = new Map<string, number>();

  constructor(options: Pick<KeeperOptions, "policy">, deps: Pick<KeeperDeps, "events" | "logger">) {
    this.#options = options;
    this.#deps = deps;
  }

  /** How many decisions of each kind there were: `policy action` to count. */
  get counters(): ReadonlyMap<string, number> {
    return this.#counters;
  }

  tell(decision: {
    readonly action: Action;
    readonly model: string;
    readonly decisionMs: number;
    readonly evicted?: readonly Victim[];
    readonly inventory?: Inventory;
  }): void {
    const { policy } = this.#options;
    const { action, model, decisionMs, evicted = [], inventory } = decision;
    const key = `${policy} ${action}`;
    this.#counters.set(key, (this.#counters.get(key) ?? 0) + 1);
    const gone = new Set(evicted.map(({ revision }) => revision.id));
    const cached = (inventory?.state.revisions ?? [])
      .map(({ id }) => id)
      .filter((id) => !gone.has(id) && !id.includes("@pull-"));
    const fields = {
      policy,
      model,
      action,
      decision_ms: Number(decisionMs.toFixed(3)),
      cached: shortened(cached),
      evicted: shortened([...gone]),
    };
    this.#deps.logger.info(fields, "cache");
    this.#deps.events.emit({ type: "cache.decision", ...fields });
  }
}

function shortened(ids: readonly string[]): readonly string[] {
  if (ids.length <= MOST_LISTED) return ids;
  return [...ids.slice(0, MOST_LISTED), `and ${ids.length - MOST_LISTED} more`];
}
