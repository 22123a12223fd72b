/** What both binaries share: a commander program whose every mistake ends as one sentence, one hint and exit code 2. */

import { SwarmError, VERSION } from "@swarmd/protocol";
import { Command, CommanderError, Option } from "commander";
import { stdoutColors } from "./colors.js";
import { reportFailure } from "./failure.js";

export function createProgram(name: string, description: string): Command {
  const program = new Command(name)
    .description(description)
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .showSuggestionAfterError(true)
    .exitOverride()
    // Errors are told once, in our own words, by `runProgram`.
    .configureOutput({ outputError: () => undefined, getOutHasColors: () => stdoutColors().isColorSupported })
    .configureHelp({ styleTitle: (title) => stdoutColors().bold(title), commandUsage: usageOf });
  return program;
}

/** A command of a program, with the settings that commander does not hand down by itself. */
export function addCommand(program: Command, name: string, description: string, group: string): Command {
  return program.command(name).description(description).helpGroup(group).helpOption("-h, --help", "print this help");
}

export function stateDirOption(): Option {
  return new Option("--state-dir <dir>", "state folder of the daemon (default: $SWARM_HOME)").helpGroup("Daemon:");
}

export function jsonOption(description = "print JSON, for programs"): Option {
  return new Option("--json", description).helpGroup("Output:");
}

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** `examples` are commands with what they do. */
export function addExamples(command: Command, examples: readonly (readonly [command: string, what: string])[]): void {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`);
  command.addHelpText("after", () => `\n${stdoutColors().bold("Examples:")}\n${lines.join("\n")}`);
}

/** Parses `argv` (as in `process.argv`), runs the command, tells what went wrong and sets the exit code. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  const json = argv.includes("--json");
  leaveQuietlyOnBrokenPipe();
  try {
    if (argv.length <= 2) {
      program.outputHelp({ error: true });
      throw new SwarmError("USAGE", "no command given", { hint: `Start with one of those above.` });
    }
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version were asked for, and printed.
      if (error.exitCode === 0) return;
      reportFailure(toUsageError(error, program.name()), { json });
      return;
    }
    reportFailure(error, { json });
  }
}

/** Commander's `error: unknown option '--revison'\n(Did you mean --revision?)`, in our form. */
function toUsageError(error: CommanderError, name: string): SwarmError {
  // A group of commands, of which none was named; its help has been printed.
  if (error.code === "commander.help") {
    return new SwarmError("USAGE", "no command given", { hint: "Start with one of those above." });
  }
  const [message = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  const meant = /^\((.+)\)$/.exec(suggestion)?.[1];
  return new SwarmError("USAGE", message, { hint: meant ?? `See ${name} --help.` });
}

/** `swarm ls | head`: who reads no more wants no more, and that is no error of ours. Remarks nobody reads are no reason to stop. */
function leaveQuietlyOnBrokenPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(process.exitCode ?? EXIT_BROKEN_PIPE);
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/** What a shell reports for a program that SIGPIPE ended. */
const EXIT_BROKEN_PIPE = 141;

function usageOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return `${names.join(" ")} ${command.usage()}`;
}
