/**
 * The embedded Hub as a process of its own, to run in the namespace of the origin. Arguments: address to listen on, bytes of each repo,
 * then the names of the repos. Prints its URL once all digests are known, and for every line on stdin what it has sent; ends with stdin.
 */
import { createInterface } from "node:readline";
import { EmbeddedHub } from "../support/hub/hub.js";
import { makeModelRepo } from "../support/repo-maker.js";

const [host = "127.0.0.1", weightBytes = "0", ...names] = process.argv.slice(2);
const repos = names.map((name) => ({ name, files: makeModelRepo({ weightBytes: Number(weightBytes), seed: name }) }));
const hub = await EmbeddedHub.start({ host, port: 8080, repos });
await hub.prepare();
process.stdout.write(`${JSON.stringify({ type: "ready", url: hub.url })}\n`);
for await (const _ of createInterface({ input: process.stdin })) {
  const { bytesSent, bytesSentTwice } = hub.stats();
  process.stdout.write(`${JSON.stringify({ type: "stats", bytesSent, bytesSentTwice })}\n`);
  hub.resetStats();
}
await hub.stop();
