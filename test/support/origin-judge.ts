/** The judge of a node that knows nobody: only what comes from the origin counts. */
import { Judge } from "@swarmd/daemon/verify/evidence/judge";
import { SwarmError } from "@swarmd/protocol";

export function originJudge(): Judge {
  const nobody = () => new SwarmError("PEER_UNREACHABLE", "this node knows nobody");
  return new Judge(
    {},
    {
      evidence: { ask: async () => Promise.reject(nobody()) },
      witnesses: { holders: () => [], isBanned: () => false, isOnDuty: () => false },
      digests: { matches: async () => Promise.reject(nobody()) },
    },
  );
}
