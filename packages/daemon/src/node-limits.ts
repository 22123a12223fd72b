/** The rates that a person may bound while the node runs. */
import { parseRate, SwarmError } from "@swarmd/protocol";
import type { LimitsRequest, NodeLimits } from "@swarmd/protocol/api";

/** A bound on bytes per second; `undefined` for none. */
export interface Rate {
  readonly bytesPerSecond: number | undefined;
  set(bytesPerSecond: number | undefined): void;
}

export interface Rates {
  readonly maxOrigin: Rate;
  /** Absent on a node that goes without peers. */
  readonly maxUpload: Rate | undefined;
  readonly maxDownload: Rate | undefined;
}

/** Changes all that is named or, when something is wrong with one of them, nothing. @throws SwarmError USAGE */
export function changeLimits(rates: Rates, request: LimitsRequest): NodeLimits {
  const changes = Object.entries(request).map(([name, text]) => {
    const rate = rates[name as keyof Rates];
    if (rate !== undefined) return { rate, bytesPerSecond: parseRate(text) };
    throw new SwarmError("USAGE", "this node goes without peers: only what comes from the origin can be limited", {
      hint: "Give --max-origin alone, or start the node without --no-peer.",
    });
  });
  for (const { rate, bytesPerSecond } of changes) rate.set(bytesPerSecond);
  const { maxUpload, maxDownload, maxOrigin } = rates;
  return { maxUpload: shown(maxUpload), maxDownload: shown(maxDownload), maxOrigin: shown(maxOrigin) };
}

function shown(rate: Rate | undefined): number | null {
  return rate?.bytesPerSecond ?? null;
}
