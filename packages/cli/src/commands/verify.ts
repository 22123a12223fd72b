/** `swarm verify`: reads files in the cache again and holds them against their digests. */

import { formatBytes, SwarmError } from "@swarmd/protocol";
import { type FileGround, parseVerifyRequest, type VerifyEvent, type VerifyRequest } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { stdoutColors } from "../colors.js";
import type { Client } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { countFiles } from "../progress/summary.js";
import { sanitize } from "../text.js";

interface VerifyFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly explain?: boolean;
  readonly all?: boolean;
  readonly stateDir?: string;
}

type Checked = Exclude<VerifyEvent, { type: "error" }>;

export function addVerifyCommand(program: Command): void {
  const command = addCommand(program, "verify", "check files in the cache against their digests", "Models:")
    .argument("[target]", "ORG/MODEL[@REV]; everything if left out")
    .addOption(new Option("--all", "everything, and fetch again what is damaged").helpGroup("What:"))
    .addOption(jsonOption("print one JSON object per line"))
    .addOption(new Option("--quiet", "print only what is wrong, and the result").conflicts("json").helpGroup("Output:"))
    .addOption(new Option("--explain", "say what each file rests on").helpGroup("Output:"))
    .addOption(stateDirOption())
    .action(verify);
  addExamples(command, [
    ["swarm verify", "the whole cache"],
    ["swarm verify --all", "the whole cache; what is damaged is fetched again"],
    ["swarm verify --explain", "and whose word their parts were taken on, while they arrived"],
    ["swarm verify org/model", "one repo; exit code 5 if a file is damaged"],
  ]);
}

async function verify(target: string | undefined, flags: VerifyFlags): Promise<void> {
  const request = parseVerifyRequest({ target, explain: flags.explain, mend: flags.all });
  if (flags.all === true && target !== undefined) {
    throw new SwarmError("USAGE", `--all means everything, and ${target} is one thing`, { hint: "Give one of them." });
  }
  const bad = await withInterrupt({}, (signal) =>
    withNode(
      { stateDir: flags.stateDir, command: "swarm verify", signal, log: (line) => process.stderr.write(line) },
      (client) => runVerify(client, request, flags, signal),
    ),
  );
  if (bad === 0) return;
  throw new SwarmError("INTEGRITY", `${countFiles(bad)} in the cache ${bad === 1 ? "is" : "are"} damaged`, {
    hint: "swarm verify --all fetches them again; or remove the repo with swarm rm and pull it.",
  });
}

/** How many files are damaged. */
async function runVerify(
  client: Client,
  request: VerifyRequest,
  flags: VerifyFlags,
  signal: AbortSignal,
): Promise<number> {
  let bad = 0;
  for await (const event of client.verify(request, { signal })) {
    const line = flags.json === true ? JSON.stringify(event) : describeEvent(event, flags.quiet === true);
    if (line !== undefined) process.stdout.write(`${line}\n`);
    if (event.type === "verified") bad = event.bad;
  }
  return bad;
}

function describeEvent(event: Checked, isQuiet: boolean): string | undefined {
  const { green, red } = stdoutColors();
  if (event.type === "verified") {
    const result = event.bad === 0 ? "all whole" : `${event.bad} damaged`;
    return `${countFiles(event.files)}, ${formatBytes(event.bytes)}: ${result}`;
  }
  const name = sanitize(`${event.repo}  ${event.path}`);
  if (event.type === "mended") {
    return event.ok ? `${green("✓")} ${name}: fetched again` : `${red("✗")} ${name}: could not be fetched again`;
  }
  if (!event.ok) return `${red("✗")} ${name}: ${sanitize(event.problem ?? "damaged")}`;
  if (isQuiet) return undefined;
  const ground = event.restsOn === undefined ? "" : `\n    ${sanitize(describeGround(event.restsOn))}`;
  return `${green("✓")} ${name}${ground}`;
}

/** What a file rests on, in a sentence. */
export function describeGround({ digest, vouchedBy, fetchedAt, shards, canProve }: FileGround): string {
  const whose = vouchedBy === "origin" ? "that the origin vouches for" : "that names it in the cache";
  const now = `has the ${digest} ${whose}${canProve ? ", and can be proven to others part by part" : ""}`;
  if (fetchedAt === null || shards === null) return now;
  const parts = [
    ...(shards.origin > 0 ? [`${shards.origin} from the origin`] : []),
    ...(shards.proof > 0 ? [`${shards.proof} by proof`] : []),
    ...Object.entries(shards.attestation).map(([node, count]) => `${count} on the word of ${node}`),
    ...(shards.digest > 0 ? [`${shards.digest} by its digest`] : []),
    ...(shards.unknown > 0 ? [`${shards.unknown} on nobody's word`] : []),
  ];
  return `${now}; fetched ${fetchedAt}, its shards: ${parts.join(", ")}`;
}
