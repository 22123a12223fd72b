/** The daemon as a process: configuration, signals, the line that says it is ready, and its end. */
import { VERSION } from "@swarmd/protocol";
import { type ConfigFlags, loadConfig, type NodeConfig } from "./config.js";
import { readFileIfThere } from "./config-file.js";
import { hostNode, type StartNode } from "./host.js";
import { keepMemorySmall } from "./memory.js";
import { createLogger } from "./observe/logger.js";
import { dropHfToken } from "./origin/hf-environment.js";

export interface DaemonOptions {
  readonly flags: ConfigFlags;
  /** The token is taken out of it. */
  readonly env: Record<string, string | undefined>;
  readonly startNode: StartNode;
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a daemon until a signal or `swarmd stop` ends it; a second signal ends it at once. Logs go to stderr, the one line that says
 * it is ready to stdout.
 *
 * @throws SwarmError when it can't start: USAGE, STATE_IN_USE, STORE_FAULT, …
 */
export async function runDaemon({ flags, env, startNode }: DaemonOptions): Promise<void> {
  const config = loadConfig({ flags, env, readFile: readFileIfThere });
  dropHfToken(env);
  const logger = createLogger(
    { format: config.logFormat, level: config.logLevel, secrets: secretsOf(config) },
    process.stderr,
  );
  const signals = watchSignals();
  try {
    await keepMemorySmall();
    const host = await hostNode(config, { command: "swarmd start" }, { startNode, logger });
    process.stdout.write(`swarmd ${VERSION} is ready: socket ${host.socketPath}, cache ${config.cacheDir}\n`);
    const why = await Promise.race([signals.first, host.stopRequested.then(() => "swarmd stop")]);
    logger.info(`stopping (${why})`);
    await host.stop();
    logger.info("stopped");
  } finally {
    signals.close();
  }
}

/** Nobody but the origin room needs the token; the log must never show it. */
export function secretsOf(config: NodeConfig): readonly string[] {
  return config.token === undefined ? [] : [config.token];
}

/** The first signal is reported, the second ends the process as it would have without us. */
function watchSignals(): { readonly first: Promise<string>; close(): void } {
  let report: (signal: string) => void = () => undefined;
  const first = new Promise<string>((resolve) => {
    report = resolve;
  });
  const close = () => {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  };
  const onSignal = (signal: NodeJS.Signals) => {
    close();
    report(signal);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  return { first, close };
}
