/** `swarmd stop`: asks the daemon to stop, and waits until its process is gone. */
import { setTimeout as delay } from "node:timers/promises";
import { SwarmError } from "@swarmd/protocol";
import type { Command } from "commander";
import { connectTo, isNobodyThere, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { addCommand, stateDirOption } from "../program.js";

/** Longer than the daemon's own deadlines for each of its parts, together. */
const GONE_DEADLINE_MS = 30_000;
const ANSWER_DEADLINE_MS = 10_000;
const LOOK_MS = 25;

export function addStopCommand(program: Command): void {
  addCommand(program, "stop", "stop the daemon; what is half fetched is kept", "Daemon:")
    .addOption(stateDirOption())
    .action((flags: { readonly stateDir?: string }) => withInterrupt({}, (signal) => stop(flags.stateDir, signal)));
}

async function stop(stateDirFlag: string | undefined, signal: AbortSignal): Promise<void> {
  const client = connectTo(stateDirFor(stateDirFlag));
  let pid: number;
  try {
    ({ pid } = await client.stop(undefined, { signal, deadlineMs: ANSWER_DEADLINE_MS }));
  } catch (error) {
    if (!isNobodyThere(error)) throw error;
    process.stdout.write("no daemon is running\n");
    return;
  }
  await waitUntilGone(pid, signal);
  process.stdout.write(`stopped (process ${pid})\n`);
}

async function waitUntilGone(pid: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + GONE_DEADLINE_MS;
  while (isRunning(pid)) {
    if (performance.now() > deadline) {
      throw new SwarmError(
        "INTERNAL",
        `the daemon (process ${pid}) is still there after ${GONE_DEADLINE_MS / 1000} s`,
        {
          hint: `Look at its log; end it with kill ${pid}, which keeps what was fetched.`,
        },
      );
    }
    await delay(LOOK_MS, undefined, { signal });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
