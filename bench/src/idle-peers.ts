import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { IdleCost } from "./idle-swarm.js";
import type { Bench } from "./report.js";

const PEERS = 16;
const MOST_CPU_PERCENT = 1;
const MOST_BYTES_PER_SECOND = 2_000;

/** What a daemon costs while nothing is pulled: alone, and one of 17 that found each other by mDNS. Linux, root: a namespace of its own. */
export const idlePeers: Bench = {
  name: "idle-peers",
  about: `a daemon at rest, alone and with ${PEERS} peers: processor, traffic, memory (real daemons in a network namespace, mDNS)`,
  async run(log) {
    const alone = await run(1);
    log(`  alone: ${describe(alone)}`);
    const among = await run(PEERS + 1);
    log(`  with ${among.peersSeen} peers: ${describe(among)}`);
    if (among.peersSeen !== PEERS) throw new Error(`a daemon found ${among.peersSeen} of ${PEERS} peers`);
    return [
      {
        what: `daemon at rest, ${PEERS} peers`,
        measured: describe(among),
        against: `alone: ${describe(alone)}`,
        target: "≤ 1 % of a core, ≤ 2 KB/s",
        reached: among.cpuPercent <= MOST_CPU_PERCENT && among.bytesPerSecond <= MOST_BYTES_PER_SECOND,
      },
    ];
  },
};

async function run(daemons: number): Promise<IdleCost> {
  const script = fileURLToPath(new URL("./idle-swarm.js", import.meta.url));
  const command = 'ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec "$@"';
  const args = ["-n", "sh", "-c", command, "sh", process.execPath, script, String(daemons)];
  const child = spawn("unshare", args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`the daemons could not be measured (exit code ${code}); this needs Linux and root`);
  });
  const [cost] = (await Promise.race([once(child, "message"), exited])) as [IdleCost];
  await exited.catch(() => undefined);
  return cost;
}

function describe({ cpuPercent, bytesPerSecond, memoryMb }: IdleCost): string {
  return `${cpuPercent.toFixed(2)} % of a core, ${(bytesPerSecond / 1_000).toFixed(2)} KB/s, ${memoryMb.toFixed(0)} MB`;
}
