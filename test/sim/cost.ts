/** CPU per decision of one engine that knows 256 peers, each with a random half of a blob of 10,000 shards. */
import type { Announcement } from "@swarmd/daemon/core/catalog/announcement";
import { Engine, SWARM_DEFAULTS } from "@swarmd/daemon/core/engine";
import type { Effect } from "@swarmd/daemon/core/messages";
import { ShardSet } from "@swarmd/daemon/core/shard-set";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import { Dice } from "./dice.js";
import { MIB } from "./scenario.js";

const PEERS = 256;
const SHARDS = 10_000;
const SHARD_BYTES = 16 * MIB;
const BLOB = {
  id: parseBlobId(`sha256:${"5".repeat(64)}`),
  sizeBytes: SHARDS * SHARD_BYTES,
  origin: "ranges",
  isPrivate: false,
} as const;

/** @returns one line with the mean per decision and per input. */
export function measureCost(): string {
  const dice = new Dice(1);
  const swarm = { self: parseNodeId("self"), epoch: 1, capacityBytesPerS: 125e6, isCluster: false, ...SWARM_DEFAULTS };
  const engine = new Engine({ random: () => dice.next(), shardBytes: SHARD_BYTES, originRequests: 10, swarm });
  for (let peer = 0; peer < PEERS; peer += 1) {
    const id = parseNodeId(`peer${peer}`);
    engine.handle({ type: "peer-up", peer: id, links: [{ link: "lan", class: "ethernet" }] }, 0);
    engine.handle({ type: "heard", peer: id, record: announcementOf(dice) }, 0);
  }
  const options = { peers: true, origin: true, originRequests: 10, order: 0, headBytes: 0 };
  engine.handle({ type: "want", pull: 1, blob: BLOB, options }, 0);
  let nowMs = 2_000;
  let inputs = 0;
  let decisions = 0;
  const queue: Extract<Effect, { type: "fetch" }>[] = [];
  const take = (effects: readonly Effect[]) => {
    inputs += 1;
    for (const effect of effects) {
      if (effect.type === "fetch") queue.push(effect);
      if (effect.type === "decision") decisions += 1;
    }
  };
  const began = process.cpuUsage();
  take(engine.handle({ type: "opened", blob: BLOB.id, state: { checked: [], partial: [] } }, nowMs));
  nowMs += 2_000;
  take(engine.handle({ type: "wake" }, nowMs));
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    nowMs += 10;
    const { attempt, startBytes, endBytes } = next;
    for (let shard = Math.floor(startBytes / SHARD_BYTES); shard * SHARD_BYTES < endBytes; shard += 1) {
      take(engine.handle({ type: "checked", attempt, shard }, nowMs));
    }
    take(engine.handle({ type: "ended", attempt, positionBytes: endBytes }, nowMs));
  }
  // CPU time, not time passed: other programs on the machine don't count.
  const { user, system } = process.cpuUsage(began);
  const micros = user + system;
  return `${PEERS} peers, ${SHARDS} shards: ${decisions} decisions, ${(micros / decisions).toFixed(1)} µs each; ${inputs} inputs, ${(micros / inputs).toFixed(1)} µs each`;
}

function announcementOf(dice: Dice): Announcement {
  const shards = new ShardSet(SHARDS);
  for (let shard = 0; shard < SHARDS; shard += 1) if (dice.next() < 0.5) shards.add(shard);
  return {
    epoch: 1,
    sequence: 1,
    ttlMs: 3_600_000,
    isFull: true,
    capacityBytesPerS: 125e6,
    freeSlots: 16,
    blobs: [
      {
        blob: BLOB.id,
        sizeBytes: BLOB.sizeBytes,
        wants: true,
        mayFetch: true,
        holds: { kind: "exactly", shards },
        rooted: [],
      },
    ],
  };
}
