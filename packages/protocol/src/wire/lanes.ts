/** The ways shard bytes travel between two nodes. */

export interface LaneInfo {
  /** For people and metrics. */
  readonly title: string;
  /** Port that a node listens on by default. */
  readonly defaultPort: number;
}

export const LANES = {
  direct: { title: "HTTP over TCP, on the best link", defaultPort: 7481 },
  libp2p: { title: "a stream of the libp2p connection", defaultPort: 7482 },
} as const satisfies Record<string, LaneInfo>;

export type LaneName = keyof typeof LANES;

/** How a source names the libp2p lane, where a direct one is named by `host:port`. */
export const LIBP2P_LINK = "libp2p";

/** How a source names a direct lane address. */
export function linkName({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
