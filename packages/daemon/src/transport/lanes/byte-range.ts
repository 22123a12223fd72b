/** The `Range` header, as far as the direct lane goes: one range from a byte on. */

export interface ByteRange {
  readonly startBytes: number;
  /** `undefined`: to the end. */
  readonly endBytes: number | undefined;
}

const RANGE = /^bytes=(\d{1,15})-(\d{1,15})?$/;

/**
 * @returns `undefined` when there is none; `unsatisfiable` for one that runs backwards and for forms that are not served here:
 *   several ranges, a suffix, other units
 */
export function parseRangeHeader(header: string | undefined): ByteRange | undefined | "unsatisfiable" {
  if (header === undefined) return undefined;
  const match = RANGE.exec(header.trim());
  if (match === null) return "unsatisfiable";
  const startBytes = Number(match[1]);
  const endBytes = match[2] === undefined ? undefined : Number(match[2]) + 1;
  return endBytes !== undefined && endBytes <= startBytes ? "unsatisfiable" : { startBytes, endBytes };
}
