/** What waits in the kernel between the two ends of a connection. */
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";

/**
 * Bytes of this connection that were written but not yet read by the other side; its own receive queue is seen if it
 * lives in the same network namespace. undefined where the kernel doesn't tell (not Linux) or no longer knows it.
 */
export async function unreadBytes({ localPort, remotePort }: Socket): Promise<number | undefined> {
  if (localPort === undefined || remotePort === undefined) return undefined;
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => readFile(path, "latin1").catch(() => "")),
  );
  return unreadIn(tables.join("\n"), localPort, remotePort);
}

/** Reads tables of the form of proc_net_tcp: `sl local_address rem_address st tx_queue:rx_queue ...`, all in hex. */
export function unreadIn(tables: string, localPort: number, remotePort: number): number | undefined {
  let unread: number | undefined;
  for (const line of tables.split("\n")) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    const [sending, received] = queues?.split(":") ?? [];
    if (sending === undefined || received === undefined) continue;
    const ends = [portOf(local), portOf(remote)];
    if (ends[0] === localPort && ends[1] === remotePort) unread = (unread ?? 0) + Number.parseInt(sending, 16);
    if (ends[0] === remotePort && ends[1] === localPort) unread = (unread ?? 0) + Number.parseInt(received, 16);
  }
  return unread;
}

function portOf(address: string | undefined): number {
  return Number.parseInt(address?.split(":")[1] ?? "", 16);
}
