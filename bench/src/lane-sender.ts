/**
 * A process that serves one file on the direct lane, to whoever has the ticket it tells its parent. The sending side of the
 * direct-lane benchmark.
 */

import { Serve } from "@swarmd/daemon/serve/serve";
import { openWholeFile } from "@swarmd/daemon/store/open-blob";
import { DirectLaneServer } from "@swarmd/daemon/transport/lanes/direct-lane-server";
import { makeLaneCertificate } from "@swarmd/daemon/transport/lanes/lane-certificate";
import { Tickets } from "@swarmd/daemon/transport/lanes/lane-ticket";
import { parseBlobId, parseNodeId, SHARD_BYTES } from "@swarmd/protocol";

/** What the parent is told once. */
export interface SenderReady {
  readonly port: number;
  readonly ticket: string;
  readonly certificateSha256: string | undefined;
}

const [path, blobText, mode] = process.argv.slice(2) as [string, string, "plain" | "tls"];
const blob = parseBlobId(blobText);
const serve = new Serve(
  {},
  {
    admit: { ask: async () => ({ kind: "serve" }), served: () => undefined },
    reader: { open: async () => openWholeFile(path, SHARD_BYTES) },
  },
);
const tickets = new Tickets({ validMs: 3_600_000 });
const server = new DirectLaneServer(
  { host: "127.0.0.1", port: 0, ...(mode === "tls" ? { certificate: await makeLaneCertificate() } : {}) },
  { handler: serve, tickets, nowMs: () => performance.now() },
);
await server.start();
const { ticket } = tickets.issue(parseNodeId("bench"), blob, performance.now());
const ready: SenderReady = { port: server.port, ticket, certificateSha256: server.certificateSha256 };
process.send?.(ready);
process.once("disconnect", () => void server.stop());
