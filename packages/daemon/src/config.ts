/** All that one node is told. Flags, environment, `config.toml` and defaults end up here; nothing below reads them again. */

/** Absolute paths, bytes and milliseconds. */
export interface NodeConfig {
  /** The Hugging Face cache: the folder that holds `models--org--name`. */
  readonly cacheDir: string;
  /** Journal, socket, logs, blobs of plain URLs. */
  readonly stateDir: string;
  /** The Hub, without a trailing slash. */
  readonly endpoint: string;
  /** A Hugging Face token, where there is one. Never logged. */
  readonly token: string | undefined;
  /** Most origin requests at a time, for the whole node. */
  readonly workers: number;
  /** HF_HUB_OFFLINE: never ask the origin. */
  readonly offline: boolean;
  readonly noPeer: boolean;
  readonly logFormat: "pretty" | "json";
  readonly logLevel: "error" | "warn" | "info" | "debug";
}
