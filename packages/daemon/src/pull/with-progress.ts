import type { PullEvent } from "@swarmd/protocol/api";
import type { PullMeter } from "./pull-meter.js";

/** Often enough to look alive, seldom enough to cost nothing. */
const INTERVAL_MS = 200;

/** Reports progress while `work` runs, and once more at its end. */
export async function withProgress(
  meter: PullMeter,
  nowMs: () => number,
  onEvent: (event: PullEvent) => void,
  work: () => Promise<void>,
): Promise<void> {
  const report = () => onEvent(meter.progress(nowMs()));
  report();
  const timer = setInterval(report, INTERVAL_MS);
  try {
    await work();
    report();
  } finally {
    clearInterval(timer);
  }
}
