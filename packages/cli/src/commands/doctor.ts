/** `swarm doctor`: looks for what keeps swarmd from working here. */

import type { Diagnosis } from "@swarmd/daemon";
import { VERSION } from "@swarmd/protocol";
import type { Command } from "commander";
import { stdoutColors } from "../colors.js";
import { connectTo, isNobodyThere, stateDirFor } from "../connection.js";
import { asSwarmError } from "../failure.js";
import { withInterrupt } from "../interrupt.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { padEnd, sanitize } from "../text.js";

interface DoctorFlags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

const DAEMON_DEADLINE_MS = 3000;

export function addDoctorCommand(program: Command): void {
  const command = addCommand(program, "doctor", "check that everything swarmd needs is in order", "Daemon:")
    .addOption(jsonOption("print one JSON object per line"))
    .addOption(stateDirOption())
    .action(doctor);
  addExamples(command, [["swarm doctor", "exit code 1 if a check fails"]]);
}

async function doctor(flags: DoctorFlags): Promise<void> {
  const { diagnose } = await import("@swarmd/daemon");
  const diagnoses = await withInterrupt({}, async (signal) => [
    ...(await diagnose({ flags: { stateDir: flags.stateDir }, env: process.env }, { signal })),
    await diagnoseDaemon(flags.stateDir, signal),
  ]);
  for (const diagnosis of diagnoses) {
    process.stdout.write(
      `${flags.json === true ? JSON.stringify({ type: "check", ...diagnosis }) : render(diagnosis)}\n`,
    );
  }
  if (diagnoses.some(({ state }) => state === "fail")) process.exitCode = 1;
}

async function diagnoseDaemon(stateDirFlag: string | undefined, signal: AbortSignal): Promise<Diagnosis> {
  const name = "daemon";
  try {
    const client = connectTo(stateDirFor(stateDirFlag));
    const { version, pid } = await client.status(undefined, { signal, deadlineMs: DAEMON_DEADLINE_MS });
    if (version === VERSION) return { name, state: "ok", detail: `running, version ${version}, process ${pid}` };
    const hint = "Restart it: swarmd stop, then swarmd start.";
    return { name, state: "fail", detail: `runs version ${version}, and this is ${VERSION}`, hint };
  } catch (error) {
    const { message, hint } = asSwarmError(error);
    if (!isNobodyThere(error)) return { name, state: "fail", detail: message, ...(hint === undefined ? {} : { hint }) };
    return {
      name,
      state: "warn",
      detail: "not running",
      hint: "swarm pull works without one; swarmd start keeps one.",
    };
  }
}

function render({ name, state, detail, hint }: Diagnosis): string {
  const { green, red, yellow, dim } = stdoutColors();
  const mark = { ok: green("✓"), warn: yellow("!"), fail: red("✗") }[state];
  const advice = hint === undefined || state === "ok" ? "" : `\n  ${" ".repeat(13)}${dim(sanitize(hint))}`;
  return `${mark} ${padEnd(name, 13)}${sanitize(detail)}${advice}`;
}
