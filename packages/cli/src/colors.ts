/** Colours, where they are welcome: NO_COLOR and FORCE_COLOR are obeyed, else it must be a terminal. */
import type { WriteStream } from "node:tty";
import picocolors from "picocolors";

export type Colors = ReturnType<typeof picocolors.createColors>;

export const NO_COLORS: Colors = picocolors.createColors(false);

export function stdoutColors(): Colors {
  return colorsFor(process.stdout);
}

export function stderrColors(): Colors {
  return colorsFor(process.stderr);
}

function colorsFor(stream: Partial<WriteStream>): Colors {
  return wantsColor(process.env, stream.isTTY === true) ? picocolors.createColors(true) : NO_COLORS;
}

/** NO_COLOR wins when it is set to anything, as no-color.org asks; FORCE_COLOR=0 means no. */
export function wantsColor(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== "0" && env.FORCE_COLOR !== "false";
  return isTerminal && env.TERM !== "dumb";
}
