/** `swarm hold ORG/MODEL -- COMMAND`: the model stays in the cache for as long as the command runs. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { SwarmError } from "@swarmd/protocol";
import { parseHoldRequest } from "@swarmd/protocol/api";
import type { Command } from "commander";
import { connectTo, stateDirFor } from "../connection.js";
import { addCommand, addExamples, stateDirOption } from "../program.js";

export function addHoldCommand(program: Command): void {
  const command = addCommand(program, "hold", "run a command, and keep a model in the cache until it ends", "Models:")
    .argument("<target>", "ORG/MODEL")
    .argument("<command...>", "behind --: the command and its arguments")
    .addOption(stateDirOption())
    .action(hold);
  addExamples(command, [["swarm hold org/model -- vllm serve org/model", "exit code: the command's own"]]);
}

async function hold(target: string, argv: readonly string[], flags: { readonly stateDir?: string }): Promise<void> {
  const request = parseHoldRequest({ target });
  const over = new AbortController();
  const client = connectTo(stateDirFor(flags.stateDir));
  const held = client.hold(request, { signal: over.signal });
  // The command begins when the daemon has said that it holds on.
  const first = await held.next();
  if (first.done === true) throw new SwarmError("DAEMON_UNREACHABLE", "the daemon did not say that it holds on");
  const watching = watch(held, over.signal);
  try {
    process.exitCode = await run(argv);
  } finally {
    over.abort();
    await watching;
  }
}

/** A daemon that goes away takes the hold with it: the command goes on, and the user is told. */
async function watch(held: AsyncGenerator<unknown>, over: AbortSignal): Promise<void> {
  try {
    for await (const _ of held);
  } catch {
    if (!over.aborted) process.stderr.write("the daemon is gone: the model is no longer held\n");
  }
}

/** @returns the exit code, as a shell has it for a command that a signal ended */
function run([name = "", ...args]: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { stdio: "inherit" });
    const pass = (signal: NodeJS.Signals) => void child.kill(signal);
    // The terminal sends Ctrl-C to both: the command decides what comes of it.
    const wait = () => undefined;
    process.on("SIGINT", wait);
    process.on("SIGTERM", pass);
    process.on("SIGHUP", pass);
    child.once("error", (cause) => {
      reject(new SwarmError("USAGE", `${name} can't be run: ${(cause as Error).message}`, { cause }));
    });
    child.once("close", (code, signal) => {
      process.off("SIGINT", wait);
      process.off("SIGTERM", pass);
      process.off("SIGHUP", pass);
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
