/** Hours of the day, as people write them: `22:00-06:00`. Pure; what time it is, and where, is asked of others. */
import { SwarmError } from "./errors.js";

/** Minutes since local midnight. From `fromMinute` to just before `toMinute`; over midnight when the second is the smaller. */
export interface DayHours {
  /** 0 to 1439. */
  readonly fromMinute: number;
  /** 1 to 1440. */
  readonly toMinute: number;
}

const HINT = "Write them as 22:00-06:00: from and to, by the clock of the node.";
const CLOCK = /^(\d{1,2})(?::(\d{2}))?$/;
const MINUTES_PER_DAY = 1440;

/** `22:00-06:00`, `1-5`, `18:30-24:00`. @throws SwarmError USAGE */
export function parseDayHours(text: string): DayHours {
  const [from = "", to = "", ...more] = text.split(/[-–]/).map((part) => part.trim());
  const fromMinute = parseClock(from);
  const toMinute = parseClock(to);
  if (more.length > 0 || fromMinute === undefined || toMinute === undefined || fromMinute === MINUTES_PER_DAY) {
    throw new SwarmError("USAGE", `no hours of the day: ${JSON.stringify(text.slice(0, 100))}`, { hint: HINT });
  }
  if (fromMinute === toMinute) {
    throw new SwarmError("USAGE", `these hours begin where they end: ${JSON.stringify(text)}`, {
      hint: "For the whole day leave them out.",
    });
  }
  // 22:00-00:00 and 22:00-24:00 are the same.
  return { fromMinute, toMinute: toMinute === 0 ? MINUTES_PER_DAY : toMinute };
}

/** `22:00-06:00`. */
export function formatDayHours({ fromMinute, toMinute }: DayHours): string {
  return `${formatMinute(fromMinute)}-${formatMinute(toMinute)}`;
}

/** Minutes since midnight as `06:00`. */
export function formatMinute(minute: number): string {
  const pad = (count: number) => String(count).padStart(2, "0");
  return `${pad(Math.floor(minute / 60))}:${pad(minute % 60)}`;
}

/** `24:00` is the end of the day. */
function parseClock(text: string): number | undefined {
  const [, hours, minutes = "00"] = CLOCK.exec(text) ?? [];
  if (hours === undefined || Number(minutes) > 59) return undefined;
  const minute = Number(hours) * 60 + Number(minutes);
  return minute <= MINUTES_PER_DAY ? minute : undefined;
}
