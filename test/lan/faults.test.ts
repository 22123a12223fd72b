/** What happens to machines and cables in the middle of a pull, with real daemons: nobody hangs, nothing wrong is stored. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { Lan } from "./lan.js";
import type { LanHost } from "./lan-host.js";
import { LanNode, type RunningPull } from "./lan-node.js";
import { LanOrigin } from "./lan-origin.js";
import { waitUntilMet } from "./meeting.js";
import { findObstacle } from "./namespaces.js";

const GUEST = fileURLToPath(new URL("./rude-guest.js", import.meta.url));
const HOSTS = 4;
const REPO_BYTES = 40_000_000;
/** So slow that there is a middle: a repo takes three seconds and more. */
const UPLINK_MBIT = 100;
const LAN_MBIT = 400;
/** A busy machine takes its time. Nothing here promises a speed. */
const PATIENCE_MS = 90_000;
const MIDDLE_BYTES = REPO_BYTES / 4;
/** The repo fits into it with room to spare, as the daemon wants it. */
const DISK_MB = 200;
const REPOS = ["partition", "cable", "kill", "guests", "suspend", "disk"].map((name) => `lan/${name}`);
const SWARMD = fileURLToPath(new URL("../../../packages/cli/bin/swarmd", import.meta.url));

const obstacle = findObstacle();
if (obstacle !== undefined) console.error(`SKIPPED, no fault of the LAN is tested: ${obstacle}`);

/** Until a pull is well under way, but not done. */
async function middleOf(pull: RunningPull): Promise<void> {
  await pull.process.line((line) => {
    const event = JSON.parse(line);
    return event.type === "progress" && event.bytes >= MIDDLE_BYTES;
  }, PATIENCE_MS);
}

describe("faults on a LAN", { skip: obstacle ?? false, timeout: 300_000 }, () => {
  let lan: Lan;
  let folder: string;
  let origin: LanOrigin;
  let nodes: LanNode[];
  const mounted: string[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "swlan-"));
    lan = Lan.create({ hosts: HOSTS, lanMbit: LAN_MBIT, uplinkMbit: UPLINK_MBIT, fastHosts: 2 });
    origin = await LanOrigin.start(lan.origin, REPO_BYTES, REPOS);
    const start = (host: LanHost) => new LanNode({ host, folder, endpoint: origin.url, startArgs: [] });
    nodes = lan.hosts.map(start);
    await Promise.all(nodes.map((node) => node.ready()));
    await waitUntilMet(nodes, PATIENCE_MS);
  });

  after(() => {
    lan?.remove();
    for (const path of mounted) execFileSync("umount", ["--lazy", path]);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Of the nodes given, everything is there and right. */
  async function assertWhole(pulls: readonly RunningPull[], who: readonly LanNode[]): Promise<void> {
    await Promise.all(pulls.map(({ done }) => done));
    for (const node of who) {
      assert.ok(node.isRunning, `${node.host.name} runs`);
      assert.ok((await assertCacheIsSound(node.cacheDir)) > 0);
    }
  }

  it("a partition in the middle of a pull heals, and everybody ends", async () => {
    const pulls = nodes.map((node) => node.startPull("lan/partition", PATIENCE_MS));
    await middleOf(pulls[0] as RunningPull);
    lan.partition(lan.hosts.slice(2));
    await sleep(1_500);
    lan.heal();
    await assertWhole(pulls, nodes);
    await waitUntilMet(nodes, PATIENCE_MS);
  });

  it("a cable that is pulled loses no byte, and brings none twice", async () => {
    const [seed, wanter] = nodes as [LanNode, LanNode];
    await seed.pull("lan/cable", PATIENCE_MS);
    wanter.host.shape("thunderbolt0", UPLINK_MBIT);
    seed.host.shape("thunderbolt0", UPLINK_MBIT);
    const pull = wanter.startPull("lan/cable", PATIENCE_MS);
    await middleOf(pull);
    wanter.host.cut("thunderbolt0");
    const { bytes, bytesFromPeers, bytesFromOrigin, bytesFromCache } = await pull.done;
    wanter.host.restore("thunderbolt0");
    assert.equal(bytesFromPeers + bytesFromOrigin + bytesFromCache, bytes);
    await assertWhole([pull], [wanter]);
  });

  it("kill -9 of one that fetches: the others end, and it goes on where it was", async () => {
    const pulls = nodes.map((node) => node.startPull("lan/kill", PATIENCE_MS));
    const victim = nodes[1] as LanNode;
    await middleOf(pulls[1] as RunningPull);
    await victim.kill();
    const others = nodes.filter((node) => node !== victim);
    await assertWhole(
      pulls.filter((_, index) => index !== 1),
      others,
    );
    victim.restart();
    await victim.ready();
    await waitUntilMet(nodes, PATIENCE_MS);
    const { bytesFromCache } = await victim.pull("lan/kill", PATIENCE_MS);
    assert.ok(bytesFromCache > 0, "what had arrived was kept");
    await assertWhole([], [victim]);
  });

  it("garbage, endless lines and silence on every port disturb nobody", async () => {
    const [target, , , far] = nodes as [LanNode, LanNode, LanNode, LanNode];
    const guest = far.host.node(GUEST, [target.host.address, "7481", "7482"]);
    await guest.line((line) => line.includes('"opened"'), PATIENCE_MS);
    const pulls = nodes.map((node) => node.startPull("lan/guests", PATIENCE_MS));
    await assertWhole(pulls, nodes);
    guest.child.stdin?.end();
    await guest.ended;
    assert.equal((await target.peers()).length, HOSTS - 1);
  });

  it("a machine that sleeps and wakes up ends its pull, and holds up nobody", async () => {
    const pulls = nodes.map((node) => node.startPull("lan/suspend", PATIENCE_MS));
    const sleeper = nodes[2] as LanNode;
    await middleOf(pulls[2] as RunningPull);
    sleeper.suspend();
    const others = nodes.filter((node) => node !== sleeper);
    await assertWhole(
      pulls.filter((_, index) => index !== 2),
      others,
    );
    sleeper.resume();
    await assertWhole(pulls, nodes);
  });

  it("a disk that fills up ends one node's pull with 7, and the others' well", async () => {
    const victim = nodes[3] as LanNode;
    await victim.stop();
    rmSync(victim.cacheDir, { recursive: true, force: true });
    mkdirSync(victim.cacheDir, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m`, "tmpfs", victim.cacheDir]);
    mounted.push(victim.cacheDir);
    victim.restart();
    await victim.ready();
    await waitUntilMet(nodes, PATIENCE_MS);
    const pulls = nodes.map((node) => node.startPull("lan/disk", PATIENCE_MS));
    await middleOf(pulls[3] as RunningPull);
    // Somebody else takes what is left.
    assert.throws(() => writeFileSync(join(victim.cacheDir, "hog"), Buffer.alloc(DISK_MB * 1024 * 1024)), /ENOSPC/);
    assert.equal(await pulls[3]?.process.ended, 7);
    await assertWhole(pulls.slice(0, 3), nodes);
  });

  it("a second daemon whose ports are taken says which, and ends", async () => {
    const { host } = nodes[0] as LanNode;
    const home = join(folder, "second");
    mkdirSync(home);
    const env = {
      PATH: process.env.PATH,
      HOME: home,
      HF_HUB_CACHE: join(home, "hub"),
      SWARM_HOME: join(home, "state"),
    };
    for (const [args, port] of [
      [[], 7481],
      [["--lane-port", "0"], 7482],
    ] as const) {
      const second = host.node(SWARMD, ["start", ...args], env);
      assert.ok((await second.ended) !== 0);
      assert.match(second.stderr(), new RegExp(`${port}.*(?:taken|in use)`, "s"));
    }
  });
});
