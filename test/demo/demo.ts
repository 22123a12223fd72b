/**
 * `npm run demo`: the main job, on this machine alone. An embedded Hub behind a throttled uplink, a real swarmd, a real
 * `swarm pull`, and a second one. No network, no account; nothing is left running and nothing is left behind.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  environmentFor,
  jsonLines,
  launch,
  makeFolders,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { makeModelRepo } from "../support/repo-maker.js";

const REPO = "demo/small-llama";
const WEIGHT_BYTES = 300_000_000;
const UPLINK_MBIT = 400;

async function demo(): Promise<void> {
  const hub = await EmbeddedHub.start({
    repos: [{ name: REPO, files: makeModelRepo({ weightBytes: WEIGHT_BYTES, title: "The demo's model" }) }],
    uplinkBytesPerSecond: (UPLINK_MBIT * 1e6) / 8,
  });
  const folders = await makeFolders();
  const env = environmentFor(folders, hub.url);
  try {
    await hub.prepare();
    say(
      `A Hub of our own serves ${REPO}, ${(WEIGHT_BYTES / 1e6).toFixed(0)} MB, over an uplink of ${UPLINK_MBIT} Mbit/s.`,
    );
    step("swarmd start");
    const daemon = await startDaemon([], env);
    step(`swarm pull ${REPO}`);
    await show(["pull", REPO], env);
    step(`swarm pull ${REPO}     (again: it is there)`);
    await show(["pull", REPO], env);
    step(`swarm verify ${REPO}`);
    await show(["verify", REPO], env);
    step("swarm ls");
    await show(["ls"], env);
    const again = await runSwarm(["pull", REPO, "--json"], env);
    const { path } = jsonLines(again.stdout).at(-1) as unknown as { path: string };
    step(`What any Hugging Face tool finds in ${path.replace(folders.root, "…")}`);
    for (const name of (await readdir(path)).sort()) say(`  ${name}`);
    const sent = Object.values(hub.stats().files).reduce((sum, file) => sum + file.bytesSent, 0);
    say(`\nThe Hub sent ${(sent / 1e6).toFixed(1)} MB in all: one copy.`);
    await stopDaemon(daemon);
  } finally {
    await hub.stop();
    await folders.remove();
  }
  const bin = join("packages", "cli", "bin");
  say(`
The same against Hugging Face, into your own cache:

  ${join(bin, "swarmd")} start &
  ${join(bin, "swarm")} pull Qwen/Qwen2.5-0.5B-Instruct
`);
}

/** Runs a command with its output on this terminal. */
async function show(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const run = launch("swarm", args, env, { inherit: true });
  const { exitCode } = await run.finished;
  if (exitCode !== 0) throw new Error(`swarm ${args.join(" ")} ended with ${exitCode}`);
}

function step(command: string): void {
  say(`\n$ ${command}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await demo();
