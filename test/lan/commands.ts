/** Runs `ip` and `tc`; synchronous, so that cleaning up works while the process is on its way out. */
import { spawnSync } from "node:child_process";

/** @throws Error with what the program printed */
export function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

/** For cleaning up: what is not there any more is fine. */
export function tryRun(program: string, ...args: readonly string[]): string {
  return spawnSync(program, args, { encoding: "utf8" }).stdout ?? "";
}

/** Words of one line: `ip("link set eth0 up", "ns1")`. */
export function ip(words: string, namespace?: string): string {
  const inside = namespace === undefined ? [] : ["-n", namespace];
  return run("ip", ...inside, ...words.split(" "));
}
