/** What nodes do most, done once by some of them: so that the code cache of the build holds what a node needs for it. */
import type { startNode } from "@swarmd/daemon/node";
import { EmbeddedHub } from "./hub/hub.js";
import { pullEvents } from "./local-node.js";
import { makeModelRepo } from "./repo-maker.js";
import { knows, SwarmKit } from "./swarm-kit.js";

const TARGET = "acme/small";
/** Three shards: one for the origin, one for a relay, one that is resumed midway. */
const WEIGHT_BYTES = 40_000_000;

/** @param start of the bundle that is to be exercised */
export async function exercise(start: typeof startNode): Promise<void> {
  const hub = await EmbeddedHub.start({
    repos: [{ name: TARGET, files: makeModelRepo({ weightBytes: WEIGHT_BYTES }) }],
  });
  const kit = new SwarmKit(hub.url, start);
  try {
    const first = await kit.start([]);
    const second = await kit.start([first.address]);
    await knows(second, 1);
    // Both at once follow each other; the third finds all of it there.
    await Promise.all([first, second].map(({ node }) => pullEvents(node, { target: TARGET })));
    const third = await kit.start([first.address, second.address]);
    await knows(third, 2);
    await pullEvents(third.node, { target: TARGET });
  } finally {
    await kit.end();
    await hub.stop();
  }
}
