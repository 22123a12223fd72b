/** The policies by name, as data: what each of them lets go, and when. */

export const POLICY_NAMES = ["lru", "no-evict", "ttl", "lru-ttl"] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];

export interface Policy {
  /** At a bound, the least recently used make room. */
  readonly makesRoom: boolean;
  /** What was untouched for the TTL goes, full or not. */
  readonly expires: boolean;
  /** What does not fit is refused. `ttl` knows no bound but the disk's. */
  readonly isBounded: boolean;
}

export const POLICIES: Readonly<Record<PolicyName, Policy>> = {
  lru: { makesRoom: true, expires: false, isBounded: true },
  "no-evict": { makesRoom: false, expires: false, isBounded: true },
  ttl: { makesRoom: false, expires: true, isBounded: false },
  "lru-ttl": { makesRoom: true, expires: true, isBounded: true },
};
