/** A moment on the clock of a place. Pure: which moment and which place is said. */

export interface LocalMoment {
  /** `2026-11-21`: days sort as texts. */
  readonly day: string;
  /** Of the day, from 0. Where the clocks are put forward some minutes never come, and where they are put back some come twice. */
  readonly minute: number;
}

/** @param timeZone as in `Europe/Berlin` */
export function makeLocalClock(timeZone: string): (wallMs: number) => LocalMoment {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  return (wallMs) => {
    const parts = new Map(format.formatToParts(wallMs).map(({ type, value }) => [type, value]));
    const get = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? "00";
    return {
      day: `${get("year").padStart(4, "0")}-${get("month")}-${get("day")}`,
      minute: Number(get("hour")) * 60 + Number(get("minute")),
    };
  };
}
