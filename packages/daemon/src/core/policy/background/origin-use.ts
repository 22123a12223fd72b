/** What came from the origin on one day, and how much more background pulls may take. Pure folds. */

export interface DayUse {
  /** `2026-11-21`, local. */
  readonly day: string;
  readonly backgroundBytes: number;
  readonly foregroundBytes: number;
}

export function emptyDay(day: string): DayUse {
  return { day, backgroundBytes: 0, foregroundBytes: 0 };
}

/**
 * Begins anew when a new day has come. A clock that goes back to the day before gives no budget anew: what was counted goes on until its
 * day is over. One that was days ahead was wrong, and what it counted with it.
 */
export function onDay(use: DayUse, day: string): DayUse {
  if (day === use.day) return use;
  if (day < use.day && isNextDay(day, use.day)) return use;
  return emptyDay(day);
}

export function addBytes(use: DayUse, bytes: number, isBackground: boolean): DayUse {
  return isBackground
    ? { ...use, backgroundBytes: use.backgroundBytes + bytes }
    : { ...use, foregroundBytes: use.foregroundBytes + bytes };
}

/** Whoever waits is served whatever is left, and what he takes is gone for the others. Without a budget there is no end to it. */
export function leftBytes({ backgroundBytes, foregroundBytes }: DayUse, budgetBytes: number | undefined): number {
  if (budgetBytes === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, budgetBytes - backgroundBytes - foregroundBytes);
}

function isNextDay(day: string, next: string): boolean {
  return Date.parse(next) - Date.parse(day) === 86_400_000;
}
