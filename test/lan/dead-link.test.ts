/** A cable that is dead at its far end: packets vanish, and no end sees its link go down. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { Lan } from "./lan.js";
import { LanNode } from "./lan-node.js";
import { LanOrigin } from "./lan-origin.js";
import { waitUntilMet } from "./meeting.js";
import { findObstacle } from "./namespaces.js";

const REPO = "lan/dead-link";
const REPO_BYTES = 60_000_000;
/** So slow that there is a middle. */
const FAST_MBIT = 150;
const PATIENCE_MS = 60_000;
const FAST = "thunderbolt0";
/** The product promises two seconds, which is printed. Without a look at the link it would be the lane's half a minute, or never. */
const LONGEST_GAP_MS = 8_000;
/** Headers, gossip, and what was on its way when the link died. */
const OVERHEAD = 1.15;

const obstacle = findObstacle();
if (obstacle !== undefined) console.error(`SKIPPED, no dead link is tested: ${obstacle}`);

interface Progress {
  readonly atMs: number;
  readonly bytes: number;
}

/** The longest time in which nothing came. */
function longestGapMs(seen: readonly Progress[]): number {
  const grown = seen.filter(({ bytes }, index) => index === 0 || bytes > (seen[index - 1]?.bytes ?? 0));
  return Math.max(...grown.slice(1).map(({ atMs }, index) => atMs - (grown[index]?.atMs ?? atMs)));
}

describe("a link that dies without a sign", { skip: obstacle ?? false, timeout: 180_000 }, () => {
  let lan: Lan;
  let folder: string;
  let nodes: [LanNode, LanNode];
  let origin: LanOrigin;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "swlan-"));
    lan = Lan.create({ hosts: 2, fastHosts: 2, fastMbit: FAST_MBIT });
    origin = await LanOrigin.start(lan.origin, REPO_BYTES, [REPO]);
    nodes = lan.hosts.map((host) => new LanNode({ host, folder, endpoint: origin.url })) as [LanNode, LanNode];
    await Promise.all(nodes.map((node) => node.ready()));
    await waitUntilMet(nodes, PATIENCE_MS);
  });

  after(() => {
    lan?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("in the middle of a pull: it goes on over the next one, and no byte comes twice", async (t) => {
    const [seed, wanter] = nodes;
    await seed.pull(REPO, PATIENCE_MS);
    // Nobody else has a byte of it from now on.
    origin.withhold();
    const received = () => ["eth0", FAST].reduce((sum, iface) => sum + wanter.host.counters(iface).receivedBytes, 0);
    const before = received();
    const fastBefore = wanter.host.counters(FAST).receivedBytes;
    const seen: Progress[] = [];
    let isDead = false;
    const pull = wanter.startPull(REPO, PATIENCE_MS);
    const watched = pull.process.line((line) => {
      const event = JSON.parse(line);
      if (event.type === "progress") seen.push({ atMs: performance.now(), bytes: event.bytes });
      if (event.type === "progress" && !isDead && event.bytes >= REPO_BYTES / 4) {
        isDead = true;
        lan.deaden(seed.host, FAST);
      }
      return event.type === "done";
    }, PATIENCE_MS);
    const { bytes, bytesFromPeers, bytesFromOrigin, bytesFromCache } = await pull.done;
    await watched;
    const overFast = wanter.host.counters(FAST).receivedBytes - fastBefore;
    const gapMs = longestGapMs(seen);
    t.diagnostic(`nothing came for ${Math.round(gapMs)} ms at most; ${Math.round(overFast / 1e6)} MB over ${FAST}`);
    assert.ok(isDead && overFast > REPO_BYTES / 5, "the fast link carried the first part");
    assert.equal(bytesFromPeers + bytesFromOrigin + bytesFromCache, bytes);
    const ratio = (received() - before) / bytesFromPeers;
    assert.ok(ratio < OVERHEAD, `${ratio} times the bytes were received`);
    assert.ok(gapMs < LONGEST_GAP_MS, `nothing came for ${gapMs} ms`);
    assert.ok((await assertCacheIsSound(wanter.cacheDir)) > 0);
  });
});
