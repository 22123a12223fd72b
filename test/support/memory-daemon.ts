/** A process that is a real daemon in all but its node: `swarmd start` with a {@link MemoryNode}. */
import { runDaemon } from "@swarmd/daemon";
import { MemoryNode } from "./memory-node.js";

await runDaemon({ flags: {}, env: process.env, startNode: async () => new MemoryNode() });
