/**
 * Wants of blobs that no origin has. For others the origin is there when a peer refuses, is busy, or has not been heard of yet; here a pull would
 * end at the first such moment. So it is tried again for a while, as long as it gets on.
 */
import { type BlobId, SwarmError, toSwarmError } from "@swarmd/protocol";
import type { BlobSources, BlobWants, WantRequest } from "./ports.js";

export interface PatientOptions {
  /** So long without a byte is too long. */
  readonly patienceMs?: number;
  readonly pauseMs?: number;
}

const PATIENCE_MS = 30_000;
const PAUSE_MS = 250;

export function patientWants(
  wants: BlobWants,
  deps: { readonly nowMs: () => number; readonly partialBytes: (blob: BlobId) => number },
  { patienceMs = PATIENCE_MS, pauseMs = PAUSE_MS }: PatientOptions = {},
): BlobWants {
  const pausing = new Map<string, () => void>();
  const pause = (key: string) =>
    new Promise<"on" | "taken back">((resolve) => {
      const timer = setTimeout(() => resolve("on"), pauseMs);
      pausing.set(key, () => {
        clearTimeout(timer);
        resolve("taken back");
      });
    }).finally(() => pausing.delete(key));
  return {
    view: (blob) => wants.view(blob),
    unwant(pull, blob) {
      pausing.get(keyOf({ pull, blob }))?.();
      wants.unwant(pull, blob);
    },
    async want(request: WantRequest): Promise<BlobSources> {
      let [bytes, sinceMs] = [deps.partialBytes(request.blob), deps.nowMs()];
      for (;;) {
        try {
          return await wants.want(request);
        } catch (error) {
          const now = deps.partialBytes(request.blob);
          if (now > bytes) [bytes, sinceMs] = [now, deps.nowMs()];
          if (toSwarmError(error).code !== "NO_SOURCE" || deps.nowMs() - sinceMs >= patienceMs) throw error;
        }
        if ((await pause(keyOf(request))) === "taken back") {
          throw new SwarmError("INTERRUPTED", "the pull was stopped; what was fetched is kept");
        }
      }
    },
  };
}

function keyOf({ pull, blob }: Pick<WantRequest, "pull" | "blob">): string {
  return `${pull} ${blob}`;
}
