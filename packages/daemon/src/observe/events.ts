/** The swarm event log: one JSON object per line, the same in the daemon, in tests and in the simulator. */

/** Where a room reports what happened; never throws. */
export interface EventLog {
  emit(event: { readonly type: string; readonly [field: string]: unknown }): void;
}
