/** One life cycle for everything that runs: started in order, stopped in reverse, each stop with a deadline. */

export interface Service {
  readonly name: string;
  /** Resolves once it serves; a failed start leaves nothing running. */
  start(): Promise<void>;
  /** Resolves once nothing of it runs any more. Never throws for being asked twice. */
  stop(): Promise<void>;
}
