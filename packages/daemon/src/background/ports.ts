/** What the background room needs of others. */
import type { PullEvent, PullRequest } from "@swarmd/protocol/api";

export interface BackgroundPulls {
  /**
   * Runs one pull to its end. Aborting takes back all that it wants before `abort()` returns; what was fetched is kept.
   *
   * @param options.fromOrigin `false`: bytes from peers or not at all
   * @throws SwarmError as a pull does
   */
  run(
    request: PullRequest,
    options: {
      readonly fromOrigin: boolean;
      readonly onEvent: (event: PullEvent) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<void>;
}

/** One small text that outlives the process. */
export interface Records {
  /** `undefined`: nothing is there, or nothing that can be read. */
  read(): Promise<string | undefined>;
  /** @throws SwarmError NO_SPACE, STORE_FAULT */
  write(text: string): Promise<void>;
}

/** The two clocks. */
export interface Clocks {
  /** Never goes back. */
  nowMs(): number;
  /** On the wall, where it may jump. */
  wallMs(): number;
}
