/** Whether it is time. */
import type { DayHours } from "@swarmd/protocol";

/** @param minute of the local day; no hours at all means the whole day */
export function isWithin(hours: DayHours | undefined, minute: number): boolean {
  if (hours === undefined) return true;
  const { fromMinute, toMinute } = hours;
  if (fromMinute < toMinute) return minute >= fromMinute && minute < toMinute;
  return minute >= fromMinute || minute < toMinute;
}
