/** Pulls that nobody waits for, joined to the rest of a node. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { BlobId } from "@swarmd/protocol";
import type { PullEvent, PullRequest } from "@swarmd/protocol/api";
import { Attention } from "./background/attention.js";
import { Background } from "./background/background.js";
import { JobBook } from "./background/job-book.js";
import { OriginUseBook } from "./background/origin-use-book.js";
import type { Records } from "./background/ports.js";
import type { NodeConfig } from "./config.js";
import { makeLocalClock } from "./core/policy/background/local-clock.js";
import type { EventLog } from "./observe/events.js";
import type { Logger } from "./observe/logger.js";
import type { BlobWants, WantRequest } from "./pull/ports.js";
import type { Pulls } from "./pull/pulls.js";
import { writeAtomically } from "./store/atomic-file.js";
import { meterSource } from "./transfer/metered-source.js";
import type { RangeSource } from "./transfer/ports.js";

export interface NodeBackgroundDeps {
  readonly events: EventLog;
  readonly logger: Logger;
  /** Both are there before {@link NodeBackground.background} is started. */
  readonly pulls: () => Pick<Pulls, "run">;
  readonly wants: () => BlobWants;
  readonly hasPeers: () => boolean;
}

export class NodeBackground {
  readonly attention = new Attention(() => performance.now());
  readonly background: Background;
  readonly #deps: NodeBackgroundDeps;
  /** What background pulls want now. */
  readonly #wanted = new Map<BlobId, number>();

  constructor({ stateDir, background }: NodeConfig, deps: NodeBackgroundDeps) {
    const { events, logger, hasPeers } = deps;
    const { budgetBytes, hours, lists, isPassing } = background;
    this.#deps = deps;
    const useRecords = recordsAt(join(stateDir, "background", "origin-use.json"));
    this.background = new Background(
      { hours, lists: isPassing ? [] : lists },
      {
        pulls: { run: (request, options) => this.#pull(request, options) },
        attention: this.attention,
        use: new OriginUseBook({ budgetBytes }, { records: useRecords }),
        // A node that a command has for a while does what the command asks, and not what the daemon was asked.
        book: new JobBook(isPassing ? undefined : recordsAt(join(stateDir, "background", "orders.json"))),
        localTime: makeLocalClock(Intl.DateTimeFormat().resolvedOptions().timeZone),
        hasPeers,
        clocks: { nowMs: () => performance.now(), wallMs: () => Date.now() },
        events,
        logger,
      },
    );
  }

  /** The same source, with all that comes from it counted. */
  meter(source: RangeSource): RangeSource {
    return meterSource(source, (blob, bytes) => this.background.noteOrigin(bytes, this.#wanted.has(blob)));
  }

  /** While this is done, the background waits. */
  async attended<Result>(work: () => Promise<Result>): Promise<Result> {
    const leave = this.attention.wait();
    try {
      return await work();
    } finally {
      leave();
    }
  }

  #pull(
    request: PullRequest,
    options: {
      readonly fromOrigin: boolean;
      readonly onEvent: (event: PullEvent) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { fromOrigin, onEvent, signal } = options;
    const manner = { wants: this.#noting(this.#deps.wants()), fromOrigin, isBackground: true } as const;
    return this.#deps.pulls().run(request, onEvent, signal, manner);
  }

  #noting(wants: BlobWants): BlobWants {
    return {
      want: async (request: WantRequest) => {
        const { blob } = request;
        this.#wanted.set(blob, (this.#wanted.get(blob) ?? 0) + 1);
        try {
          return await wants.want(request);
        } finally {
          const rest = (this.#wanted.get(blob) ?? 1) - 1;
          if (rest === 0) this.#wanted.delete(blob);
          else this.#wanted.set(blob, rest);
        }
      },
      unwant: (pull, blob) => wants.unwant(pull, blob),
      view: (blob) => wants.view(blob),
    };
  }
}

function recordsAt(path: string): Records {
  return {
    read: () => readFile(path, "utf8").catch(() => undefined),
    write: (text) => writeAtomically(path, text),
  };
}
