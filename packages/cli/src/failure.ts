/** How a command fails: one sentence, one hint, one exit code; with `--json`, one line. */
import { type ErrorCode, exitCodeOf, isErrorCode, SwarmError, toErrorBody, toSwarmError } from "@swarmd/protocol";
import { stderrColors } from "./colors.js";
import { sanitize } from "./text.js";

/** Whatever was thrown, as a SwarmError: also one that was made by another copy of its class, the daemon package's. */
export function asSwarmError(error: unknown): SwarmError {
  if (error instanceof SwarmError || !(error instanceof Error)) return toSwarmError(error);
  const { code, hint, message } = error as { code?: unknown; hint?: unknown; message: string };
  if (error.name !== "SwarmError" || !isErrorCode(code)) return toSwarmError(error);
  return new SwarmError(code, message, typeof hint === "string" ? { hint, cause: error } : { cause: error });
}

export function hasCode(error: unknown, code: ErrorCode): boolean {
  return asSwarmError(error).code === code;
}

/** Tells the user and sets the exit code of the process. */
export function reportFailure(error: unknown, options: { readonly json: boolean }): void {
  const failure = asSwarmError(error);
  process.exitCode = exitCodeOf(failure.code);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ type: "error", ...toErrorBody(failure) })}\n`);
    return;
  }
  process.stderr.write(formatFailure(failure));
}

function formatFailure(failure: SwarmError): string {
  const { red, dim } = stderrColors();
  if (failure.code === "INTERRUPTED") return `${failure.message}\n${failure.hint ?? ""}\n`.replace(/\n+$/, "\n");
  const hint = failure.hint === undefined ? "" : `${dim("hint:")} ${sanitize(failure.hint)}\n`;
  // Something nobody foresaw: whoever mends it needs to know where.
  const trace = failure.code === "INTERNAL" && process.env.SWARM_DEBUG ? `${traceOf(failure)}\n` : "";
  return `${red("error:")} ${sanitize(failure.message)}\n${hint}${trace}`;
}

function traceOf(failure: SwarmError): string {
  return failure.cause instanceof Error ? (failure.cause.stack ?? "") : (failure.stack ?? "");
}
