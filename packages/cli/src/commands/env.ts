/** `swarm env`: what to put into a shell, a compose file or a systemd unit, so that other programs pull through this node. */
import { SwarmError } from "@swarmd/protocol";
import { type Command, Option } from "commander";
import { connectTo, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";

type Format = "shell" | "fish" | "compose" | "systemd";

interface EnvFlags {
  readonly for: Format;
  readonly json?: boolean;
  readonly stateDir?: string;
}

const DEADLINE_MS = 10_000;
const FORMATS: readonly Format[] = ["shell", "fish", "compose", "systemd"];

export function addEnvCommand(program: Command): void {
  const command = addCommand(program, "env", "print what makes other programs pull through this node", "Daemon:")
    .addOption(
      new Option("--for <what>", "shell, fish, compose or systemd")
        .choices(FORMATS)
        .default("shell")
        .helpGroup("Output:"),
    )
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(env);
  addExamples(command, [
    ['eval "$(swarm env)"', "for this shell and what is started from it"],
    ["swarm env --for compose", "lines for a service in compose.yaml"],
    ["swarm env --for systemd", "lines for a unit"],
  ]);
}

async function env(flags: EnvFlags): Promise<void> {
  const client = connectTo(stateDirFor(flags.stateDir));
  const { gateway } = await withInterrupt({}, (signal) =>
    client.status(undefined, { signal, deadlineMs: DEADLINE_MS }),
  );
  if (gateway === null) {
    throw new SwarmError("USAGE", "the daemon runs without its gateway", {
      hint: "Start it without --no-gateway (and without SWARM_NO_GATEWAY).",
    });
  }
  const variables = variablesFor(gateway);
  process.stdout.write(flags.json === true ? `${JSON.stringify(variables)}\n` : `${render(flags.for, variables)}\n`);
}

/** HF_ENDPOINT is what nearly all read; MODEL_ENDPOINT is llama.cpp's own name for it. */
export function variablesFor(gateway: string): Readonly<Record<string, string>> {
  return { HF_ENDPOINT: gateway, MODEL_ENDPOINT: `${gateway}/` };
}

export function render(format: Format, variables: Readonly<Record<string, string>>): string {
  const all = Object.entries(variables);
  if (format === "fish") return all.map(([name, value]) => `set -gx ${name} ${value}`).join("\n");
  if (format === "systemd")
    return ["[Service]", ...all.map(([name, value]) => `Environment=${name}=${value}`)].join("\n");
  if (format === "shell") return all.map(([name, value]) => `export ${name}=${value}`).join("\n");
  return [
    "    # The gateway listens on this machine only: the container has to share its network.",
    "    network_mode: host",
    "    environment:",
    ...all.map(([name, value]) => `      ${name}: "${value}"`),
  ].join("\n");
}
