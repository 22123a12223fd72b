/** Ctrl-C and its relatives: the first asks the command to stop, the second ends the process at once. */
import { exitCodeOf, SwarmError } from "@swarmd/protocol";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface InterruptOptions {
  /** What the user should know afterwards. */
  readonly message?: string;
  readonly hint?: string;
}

/** Runs `work` with a signal that the first Ctrl-C aborts; its reason is INTERRUPTED, and so is what is thrown then. */
export async function withInterrupt<Result>(
  options: InterruptOptions,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const abort = new AbortController();
  const onSignal = () => {
    if (abort.signal.aborted) process.exit(exitCodeOf("INTERRUPTED"));
    const details = options.hint === undefined ? {} : { hint: options.hint };
    abort.abort(new SwarmError("INTERRUPTED", options.message ?? "interrupted", details));
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(abort.signal);
  } catch (error) {
    // Whatever failed because of the interruption is the interruption.
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}
