/** Whether a name is the origin's: asked of the origin or, when it can't be asked, remembered. */
import { parseRevision, type RepoRef, toSwarmError } from "@swarmd/protocol";
import type { Origin } from "./origin/origin.js";
import type { VisibilityRecords } from "./store/visibility-records.js";

export interface NameDeps {
  readonly origin: Pick<Origin, "hub">;
  readonly visibility: VisibilityRecords;
  readonly offline: boolean;
}

/** Patience of a person who waits for something else. */
const ASK_MS = 10_000;
const EXISTS: ReadonlySet<string> = new Set(["REVISION_NOT_FOUND", "ACCESS_GATED"]);

/** @throws SwarmError INTERRUPTED when the signal aborts; nothing else */
export async function nameAtOrigin(
  repo: RepoRef,
  { origin, visibility, offline }: NameDeps,
  { signal }: { readonly signal: AbortSignal },
): Promise<"exists" | "absent" | "unknown"> {
  const wasThere = (await visibility.find(repo)) !== undefined;
  if (offline) return wasThere ? "exists" : "unknown";
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
    await visibility.note(repo, await origin.hub.resolve(repo, parseRevision("main"), { signal: deadline }));
    return "exists";
  } catch (error) {
    const { code } = toSwarmError(error);
    if (signal.aborted) throw error;
    if (EXISTS.has(code)) return "exists";
    // Without the right token, one that exists looks the same: then it is somebody else's, whose name this node can't know.
    if (code === "REPO_NOT_FOUND") return "absent";
    return wasThere ? "exists" : "unknown";
  }
}
