/** A LAN and a folder for the time of one piece of work; both are gone afterwards, however it ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Lan, type LanOptions } from "./lan.js";

export interface WithLanOptions extends LanOptions {
  /** Where the folder is made. */
  readonly parent: string;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** @throws Error when this machine can't have one, and what the work throws */
export async function withLan<Value>(
  { parent, ...options }: WithLanOptions,
  work: (lan: Lan, folder: string) => Promise<Value>,
): Promise<Value> {
  const folder = mkdtempSync(join(parent, "swlan-"));
  let lan: Lan | undefined;
  const clear = () => {
    lan?.remove();
    rmSync(folder, { recursive: true, force: true });
  };
  const onSignal = (signal: NodeJS.Signals) => {
    clear();
    for (const one of SIGNALS) process.off(one, onSignal);
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    lan = Lan.create(options);
    return await work(lan, folder);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    clear();
  }
}
