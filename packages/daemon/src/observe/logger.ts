/** The log of a node: for people or for programs, always on stderr, never with a token in it. */
import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

export interface LoggerOptions {
  readonly format: "pretty" | "json";
  readonly level: "error" | "warn" | "info" | "debug";
  /** Replaced by `[secret]` wherever they would appear, whoever logs them. */
  readonly secrets?: readonly string[];
}

/** Where finished lines go; each ends with a newline. */
export interface LineSink {
  write(line: string): unknown;
}

/** Fields every line has, which the pretty form shows in its own way or not at all. */
const OWN_FIELDS = new Set(["level", "time", "msg", "err"]);

export function createLogger(options: LoggerOptions, sink: LineSink): Logger {
  const secrets = (options.secrets ?? []).filter((secret) => secret !== "");
  const format = options.format === "json" ? (line: string) => line : formatPretty;
  const destination: DestinationStream = {
    write: (line) => {
      sink.write(secrets.reduce((text, secret) => text.replaceAll(secret, "[secret]"), format(line)));
    },
  };
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    destination,
  );
}

/** A logger that drops everything, for tests and for pulls without a daemon. */
export function createSilentLogger(): Logger {
  return pino({ enabled: false });
}

/** `12:34:56 warn  message  field=value`. */
function formatPretty(line: string): string {
  const entry = JSON.parse(line) as Record<string, unknown>;
  const time = new Date(String(entry.time)).toTimeString().slice(0, 8);
  const fields = Object.entries(entry)
    .filter(([name]) => !OWN_FIELDS.has(name))
    .map(([name, value]) => `  ${name}=${formatField(value)}`);
  return `${time} ${String(entry.level).padEnd(5)} ${entry.msg ?? ""}${fields.join("")}${formatError(entry.err)}\n`;
}

function formatField(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function formatError(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const { stack, message } = error as { readonly stack?: string; readonly message?: string };
  return `\n    ${(stack ?? message ?? "").replaceAll("\n", "\n    ")}`;
}
