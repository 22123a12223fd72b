/** Where a node keeps its state, and where its socket is found: daemon and command line must agree without asking each other. Pure. */

/** In the state folder. */
export const SOCKET_NAME = "swarmd.sock";

/** What the environment says; every system is treated alike, so that one sentence in the README is enough. */
export interface StateDirEnvironment {
  readonly SWARM_HOME?: string | undefined;
  readonly XDG_STATE_HOME?: string | undefined;
}

/**
 * SWARM_HOME, else `$XDG_STATE_HOME/swarmd`, else `~/.local/state/swarmd`. Empty variables count as unset, and so does a relative
 * XDG_STATE_HOME, as the XDG specification asks. A relative SWARM_HOME comes back as it is.
 */
export function findStateDir(env: StateDirEnvironment, homeDir: string): string {
  if (env.SWARM_HOME) return env.SWARM_HOME;
  const stateHome = env.XDG_STATE_HOME;
  const base = stateHome && /^(?:\/|[A-Za-z]:[\\/])/.test(stateHome) ? stateHome : `${homeDir}/.local/state`;
  return `${base.replace(/[\\/]+$/, "")}/swarmd`;
}
