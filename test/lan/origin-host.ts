/**
 * The embedded Hub as a process of its own, to run in the namespace of the origin. Arguments: address to listen on, bytes of each repo,
 * then the names of the repos. Prints its URL once all digests are known; ends with stdin. Commands on stdin, a line each: `stats` prints
 * what it has sent and counts from 0 again, `peek` prints it and counts on, `withhold` makes it refuse the bytes of files from now on, and
 * only these.
 */
import { createInterface } from "node:readline";
import { EmbeddedHub } from "../support/hub/hub.js";
import { makeModelRepo } from "../support/repo-maker.js";

const [host = "127.0.0.1", weightBytes = "0", ...names] = process.argv.slice(2);
const repos = names.map((name) => ({ name, files: makeModelRepo({ weightBytes: Number(weightBytes), seed: name }) }));
const hub = await EmbeddedHub.start({ host, port: 8080, repos });
await hub.prepare();
process.stdout.write(`${JSON.stringify({ type: "ready", url: hub.url })}\n`);
for await (const command of createInterface({ input: process.stdin })) {
  if (command === "withhold") {
    hub.faults.set([{ kind: "status", status: 503, on: ["cdn", "resolveCache", "file"] }]);
    continue;
  }
  const { bytesSent, bytesSentTwice, clients } = hub.stats();
  const bytesByHost: Record<string, number> = {};
  for (const [client, { bytesSent: bytes }] of Object.entries(clients)) {
    const [address = ""] = client.split(" ");
    bytesByHost[address] = (bytesByHost[address] ?? 0) + bytes;
  }
  process.stdout.write(`${JSON.stringify({ type: "stats", bytesSent, bytesSentTwice, bytesByHost })}\n`);
  if (command === "stats") hub.resetStats();
}
await hub.stop();
