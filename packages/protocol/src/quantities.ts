/**
 * Sizes, rates and spans of time as people write and read them. Pure.
 *
 * As in disk and network data sheets, `kB MB GB TB` are powers of 1000 and `KiB MiB GiB TiB` powers of 1024; a bare `k M G T` is
 * decimal too. Case does not matter, but for rates: `Mbps` is megabit and `MBps` megabyte, and `Mb/s`, which may be either, is refused.
 */
import { SwarmError } from "./errors.js";
import { suggestNearest } from "./nearest.js";

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 1024,
  m: 1e6,
  mb: 1e6,
  mib: 1024 ** 2,
  g: 1e9,
  gb: 1e9,
  gib: 1024 ** 3,
  t: 1e12,
  tb: 1e12,
  tib: 1024 ** 4,
  p: 1e15,
  pb: 1e15,
  pib: 1024 ** 5,
};
const BYTE_SPELLINGS = ["B", "kB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB", "PB", "PiB"];

/** Bytes per second. */
const BIT_UNITS: Readonly<Record<string, number>> = {
  bit: 1 / 8,
  kbit: 1e3 / 8,
  mbit: 1e6 / 8,
  gbit: 1e9 / 8,
  tbit: 1e12 / 8,
};
const RATE_SPELLINGS = [...BYTE_SPELLINGS.map((unit) => `${unit}/s`), "kbit/s", "Mbit/s", "Gbit/s", "off", "none"];

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  m: 60e3,
  min: 60e3,
  h: 3600e3,
  d: 86_400e3,
  w: 604_800e3,
};

const QUANTITY = /^(\d{1,15}(?:\.\d{1,9})?|\.\d{1,9})\s{0,8}([A-Za-z/]{0,12})$/;
const DURATION_PART = /(\d{1,15}(?:\.\d{1,9})?)\s{0,8}([A-Za-z]{1,8})\s{0,8}/y;

/** `500GB`, `1.5 GiB`, `16M`, `4096` → bytes, a whole number. @throws SwarmError USAGE */
export function parseBytes(text: string): number {
  const { amount, unit } = splitQuantity(text, "size", "Write a size as 500GB, 1.5GiB or 16M.");
  const factor = findUnit(BYTE_UNITS, unit.toLowerCase());
  if (factor === undefined) throw unknownUnit(text, "size", unit, BYTE_SPELLINGS, "500GB, 1.5GiB or 16M");
  return toSafeInteger(amount * factor, text, "size");
}

/** `20MB/s`, `200Mbit/s`, `1G` → bytes per second, a whole number; `off` or `none` → `undefined`, no bound. @throws SwarmError USAGE */
export function parseRate(text: string): number | undefined {
  const examples = "20MB/s, 200Mbit/s or off";
  if (/^(?:off|none)$/i.test(text.trim())) return undefined;
  if (/^[A-Za-z]+$/.test(text.trim())) throw unknownUnit(text, "rate", text.trim(), RATE_SPELLINGS, examples);
  const { amount, unit } = splitQuantity(text, "rate", `Write a rate as ${examples}.`);
  // `Mbps` is megabit to everybody, and `MBps` megabyte.
  const bare = unit.replace(/^([KkMmGgTt]?)bps$/, "$1bit").replace(/(?:\/s|ps)$/i, "");
  if (/^[KkMmGgTt]b$/.test(bare)) {
    const prefix = bare[0]?.toUpperCase();
    throw new SwarmError("USAGE", `not a clear rate: ${JSON.stringify(text)}`, {
      hint: `Write ${amount}${prefix}B/s for bytes or ${amount}${prefix}bit/s for bits.`,
    });
  }
  const factor = findUnit(BYTE_UNITS, bare.toLowerCase()) ?? findUnit(BIT_UNITS, bare.toLowerCase());
  if (factor === undefined) throw unknownUnit(text, "rate", unit, RATE_SPELLINGS, examples);
  const bytesPerSecond = toSafeInteger(amount * factor, text, "rate");
  if (bytesPerSecond > 0) return bytesPerSecond;
  throw new SwarmError("USAGE", `a rate of nothing never ends: ${JSON.stringify(text)}`, {
    hint: "Write off for no bound.",
  });
}

/** `90s`, `1h30m`, `7d`, `250ms` → milliseconds, a whole number. @throws SwarmError USAGE */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  let totalMs = 0;
  let position = 0;
  while (position < trimmed.length || position === 0) {
    DURATION_PART.lastIndex = position;
    const part = DURATION_PART.exec(trimmed);
    const factor = findUnit(DURATION_UNITS, part?.[2]?.toLowerCase() ?? "");
    if (part === null || factor === undefined) {
      throw new SwarmError("USAGE", `not a span of time: ${JSON.stringify(text)}`, {
        hint: "Write 90s, 1h30m, 7d or 250ms; the units are ms, s, m, h, d and w.",
      });
    }
    totalMs += Number(part[1]) * factor;
    position = DURATION_PART.lastIndex;
  }
  return toSafeInteger(totalMs, text, "span of time");
}

/** `0 B`, `999 B`, `1.50 kB`, `15.2 GB`: three digits, decimal units. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = Math.max(0, bytes);
  let unit = 0;
  // 999.5 would be printed as 1000.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${units[unit]}`;
}

/** `112 MB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `420ms`, `4.8s`, `48s`, `3m 05s`, `2h 10m`, `3d 04h`: what a reader can take in at a glance. */
export function formatDuration(durationMs: number): string {
  const safeMs = Math.max(0, durationMs);
  if (safeMs < 999.5) return `${Math.round(safeMs)}ms`;
  if (safeMs < 9950) return `${(safeMs / 1000).toFixed(1)}s`;
  const seconds = Math.round(safeMs / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${twoDigits(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${twoDigits(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${twoDigits(hours % 24)}h`;
}

function splitQuantity(text: string, what: string, hint: string): { amount: number; unit: string } {
  const match = QUANTITY.exec(text.trim());
  if (match === null) throw new SwarmError("USAGE", `not a ${what}: ${JSON.stringify(text)}`, { hint });
  return { amount: Number(match[1]), unit: match[2] as string };
}

/** Plain look-up, but blind to what every object inherits. */
function findUnit(units: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(units, name) ? units[name] : undefined;
}

function unknownUnit(text: string, what: string, unit: string, spellings: readonly string[], examples: string) {
  const hint = suggestNearest(unit, spellings) ?? `Write a ${what} as ${examples}.`;
  return new SwarmError("USAGE", `not a ${what}: ${JSON.stringify(text)}`, { hint });
}

function toSafeInteger(value: number, text: string, what: string): number {
  const rounded = Math.round(value);
  if (Number.isSafeInteger(rounded)) return rounded;
  throw new SwarmError("USAGE", `too large a ${what}: ${JSON.stringify(text)}`, {
    hint: "The most is 9 PB, or the same number of bytes per second or milliseconds.",
  });
}

function threeDigits(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
