/** The `Range` header, as far as clients of the Hub go: one range, or the last so many bytes. Pure. */

export interface ByteRange {
  readonly startBytes: number;
  /** One past the last. */
  readonly endBytes: number;
}

export type RangeAnswer =
  /** No range, or one that may be left out of account: the whole file. */
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly range: ByteRange }
  | { readonly kind: "unsatisfiable" };

const ONE = /^(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/;
/** Clients ask for one. A few are answered with the whole file, which RFC 9110 allows; a flood of them is an attack. */
const MOST_RANGES = 16;

export function parseRanges(header: string | undefined, sizeBytes: number): RangeAnswer {
  if (header === undefined) return { kind: "whole" };
  const [unit, list, ...more] = header.split("=");
  if (unit?.trim().toLowerCase() !== "bytes" || list === undefined || more.length > 0) return { kind: "whole" };
  const specs = list.split(",", MOST_RANGES + 1).map((spec) => ONE.exec(spec.trim()));
  if (specs.some((spec) => spec === null)) return { kind: "whole" };
  const ranges = specs.map((spec) => resolve(spec as RegExpExecArray, sizeBytes));
  if (ranges.length > MOST_RANGES || overlap(ranges)) return { kind: "unsatisfiable" };
  const [range] = ranges;
  if (ranges.length > 1) return { kind: ranges.some((one) => one !== undefined) ? "whole" : "unsatisfiable" };
  return range === undefined ? { kind: "unsatisfiable" } : { kind: "part", range };
}

/** `undefined` when there is nothing of it. A range that runs backwards is none either. */
function resolve([, first, last, suffix]: RegExpExecArray, sizeBytes: number): ByteRange | undefined {
  if (suffix !== undefined) {
    const startBytes = Math.max(0, sizeBytes - Number(suffix));
    return startBytes < sizeBytes ? { startBytes, endBytes: sizeBytes } : undefined;
  }
  const startBytes = Number(first);
  const endBytes = last === undefined ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  return startBytes < endBytes ? { startBytes, endBytes } : undefined;
}

function overlap(ranges: readonly (ByteRange | undefined)[]): boolean {
  const sorted = ranges.filter((range) => range !== undefined).sort((a, b) => a.startBytes - b.startBytes);
  return sorted.some((range, i) => i > 0 && range.startBytes < (sorted[i - 1] as ByteRange).endBytes);
}
