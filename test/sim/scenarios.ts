/** The scenarios of the table, and what each is to reach. */
import { type Happening, MBIT, MIB, type NodePlan, type Plan, type Scenario } from "./scenario.js";

const SHARD = 16 * MIB;
/** 2 GiB in four files: a small model as it is found on the Hub. */
const FILES = [512 * MIB, 512 * MIB, 512 * MIB, 512 * MIB];
const SIZE = sizeOf(FILES);
const LAN = 1_000 * MBIT;
/** A household's or an office's line; one connection alone gets half of it. */
const WAN = { bytesPerS: 200 * MBIT, perConnectionBytesPerS: 100 * MBIT, latencyMs: 150 };
/** A cold start by one command on all nodes is spread over so long. */
const JITTER_MS = 200;

/** Daemons are up and know each other before anyone pulls. */
const WARM_MS = 2_000;
const NODE: NodePlan = { upBytesPerS: LAN, downBytesPerS: LAN, linkClass: "ethernet", upMs: 0, startMs: WARM_MS };
const BASE = {
  files: FILES,
  shardBytes: SHARD,
  latencyMs: 0.5,
  gossip: { lowMs: 2, highMs: 60, loss: 0 },
  happenings: [] as Happening[],
  stepMs: 20,
};

const wanMs = (SIZE / WAN.bytesPerS) * 1_000;
const lanMs = (SIZE / LAN) * 1_000;

/** With a thousand nodes half as much, so that twenty seeds can be run: what a run costs grows with nodes times shards. */
function filesFor(nodes: number): readonly number[] {
  return nodes < 1_000 ? FILES : FILES.map((size) => size / 2);
}

function sizeOf(files: readonly number[]): number {
  return files.reduce((sum, size) => sum + size, 0);
}

const cold: Scenario = {
  name: "cold",
  about: "N nodes want the same repo at the same moment; the origin's line is the bottleneck",
  sizes: [2, 8, 32, 128, 1_000],
  plan: (nodes, dice): Plan => ({
    ...BASE,
    files: filesFor(nodes),
    nodes: Array.from({ length: nodes }, () => ({ ...NODE, startMs: WARM_MS + dice.between(0, JITTER_MS) })),
    origin: WAN,
    boundMs: () => (sizeOf(filesFor(nodes)) / WAN.bytesPerS) * 1_000,
  }),
  targets: [
    { figure: "egress", median: 1.01, worst: 1.03 },
    { figure: "time", median: 1.03, worst: 1.03 },
    { figure: "gossip", worst: 0.001 },
  ],
};

const spread: Scenario = {
  name: "spread",
  about: "starts are spread over the whole download",
  sizes: [8, 32],
  plan: (nodes, dice): Plan => ({
    ...BASE,
    nodes: Array.from({ length: nodes }, (_, index) => ({
      ...NODE,
      startMs: WARM_MS + (index === 0 ? 0 : dice.between(0, wanMs)),
    })),
    origin: WAN,
    // The origin's copy is there at wanMs at the earliest; who starts late can't be faster than its own link either.
    boundMs: ({ startMs }) => Math.max(WARM_MS + wanMs - startMs, lanMs),
  }),
  targets: [
    { figure: "egress", median: 1.01, worst: 1.01 },
    { figure: "time", median: 1.1, worst: 1.1 },
    { figure: "gossip", worst: 0.001 },
  ],
};

const seed: Scenario = {
  name: "seed",
  about: "one node holds all, N - 1 want it, all links are equal, no origin",
  sizes: [2, 8, 32, 128, 1_000],
  plan: (nodes, dice): Plan => ({
    ...BASE,
    stepMs: 10,
    nodes: Array.from({ length: nodes }, (_, index) => ({
      ...NODE,
      isSeed: index === 0,
      startMs: WARM_MS + dice.between(0, JITTER_MS),
    })),
    files: filesFor(nodes),
    origin: null,
    boundMs: () => {
      const size = sizeOf(filesFor(nodes));
      return (size / LAN) * 1_000 * (1 + Math.log2(nodes) / (size / SHARD));
    },
  }),
  targets: [
    { figure: "time", median: 1.15, worst: 1.15, upTo: 128 },
    { figure: "time", median: 1.25, worst: 1.25, from: 129 },
    { figure: "gossip", worst: 0.001 },
  ],
};

const mixed: Scenario = {
  name: "mixed",
  about: "half the nodes have links ten times faster; one fast node holds all",
  sizes: [8, 32],
  plan: (nodes, dice): Plan => ({
    ...BASE,
    stepMs: 5,
    nodes: Array.from({ length: nodes }, (_, index) => {
      const isFast = index < nodes / 2;
      const speed = isFast ? 10 * LAN : LAN;
      return {
        ...NODE,
        upBytesPerS: speed,
        downBytesPerS: speed,
        linkClass: "ethernet" as const,
        isSeed: index === 0,
        startMs: WARM_MS + dice.between(0, JITTER_MS),
      };
    }),
    origin: null,
    files: FILES.map((size) => size * 4),
    boundMs: ({ downBytesPerS }) =>
      ((4 * SIZE) / downBytesPerS) * 1_000 * (1 + Math.log2(nodes) / ((4 * SIZE) / SHARD)),
  }),
  targets: [
    { figure: "fastTime", median: 1.2, worst: 1.2 },
    { figure: "gossip", worst: 0.001 },
  ],
};

/** A cold start to which something happens. */
function disturbed(
  name: string,
  about: string,
  happenings: (nodes: number, dice: import("./dice.js").Dice) => Happening[],
  targets: Scenario["targets"],
  more: Partial<Pick<Plan, "gossip">> = {},
): Scenario {
  const plan = (nodes: number, dice: import("./dice.js").Dice): Plan => ({
    ...cold.plan(nodes, dice),
    ...more,
    happenings: happenings(nodes, dice),
  });
  return { name, about, sizes: [8, 32], plan, targets };
}

const FAULT_TARGETS: Scenario["targets"] = [
  { figure: "ended", worst: 1, isLeast: true },
  { figure: "egress", median: 1.05, worst: 1.05 },
  { figure: "time", median: 1.2, worst: 1.2 },
];

const crash = disturbed(
  "crash",
  "a node that is on duty crashes midway",
  (nodes, dice) => [{ atMs: dice.between(0.3, 0.7) * wanMs, kind: "crash", node: Math.floor(dice.between(0, nodes)) }],
  FAULT_TARGETS,
);

const stall = disturbed(
  "stall",
  "a node that is on duty hangs midway, with all its connections open",
  (nodes, dice) => [{ atMs: dice.between(0.3, 0.7) * wanMs, kind: "stall", node: Math.floor(dice.between(0, nodes)) }],
  FAULT_TARGETS,
);

const churn = disturbed(
  "churn",
  "30 % of the nodes crash over the run",
  (nodes, dice) =>
    dice
      .pick(Math.round(0.3 * nodes), nodes)
      .map((node) => ({ atMs: dice.between(0.02, 0.98) * wanMs, kind: "crash", node })),
  FAULT_TARGETS,
);

const slow = disturbed(
  "slow",
  "a tenth of the nodes become a hundred times slower midway",
  (nodes, dice) =>
    dice
      .pick(Math.ceil(0.1 * nodes), nodes)
      .map((node) => ({ atMs: dice.between(0.2, 0.6) * wanMs, kind: "slow", node, factor: 0.01 })),
  [
    { figure: "egress", median: 1.05, worst: 1.05 },
    { figure: "fastTime", median: 1.2, worst: 1.2 },
  ],
);

/** As long as a machine swaps, or as another program takes all of its processors. */
const PAUSE_MS = { low: 500, high: 4_000 };
const BETWEEN_PAUSES_MS = { low: 2_000, high: 20_000 };

const starved = disturbed(
  "starved",
  "the processors of half the nodes are taken away for seconds, now and then",
  (nodes, dice) => dice.pick(Math.ceil(nodes / 2), nodes).flatMap((node) => pausesOf(node, dice)),
  [
    { figure: "ended", worst: 1, isLeast: true },
    { figure: "egress", median: 1.05, worst: 1.05 },
    { figure: "restless", median: 0.2, worst: 0.5 },
  ],
);

function pausesOf(node: number, dice: import("./dice.js").Dice): Happening[] {
  const pauses: Happening[] = [];
  const next = () => dice.between(BETWEEN_PAUSES_MS.low, BETWEEN_PAUSES_MS.high);
  for (let atMs = next(); atMs < 2 * wanMs; ) {
    const forMs = dice.between(PAUSE_MS.low, PAUSE_MS.high);
    pauses.push({ atMs, kind: "pause", node, forMs });
    atMs += forMs + next();
  }
  return pauses;
}

const partition = disturbed(
  "partition",
  "the LAN falls into two halves midway and heals when both are nearly done",
  (nodes) => [
    { atMs: 0.2 * wanMs, kind: "partition", first: nodes / 2 },
    { atMs: 1.2 * wanMs, kind: "heal" },
  ],
  [
    { figure: "ended", worst: 1, isLeast: true },
    { figure: "egress", median: 2.02, worst: 2.02 },
    { figure: "wasted", median: 0.01, worst: 0.01 },
  ],
);

const lossy = disturbed(
  "lossy",
  "10 % of announcements are lost, the others take up to 2 s",
  () => [],
  [
    { figure: "ended", worst: 1, isLeast: true },
    { figure: "egress", median: 1.05, worst: 1.05 },
  ],
  { gossip: { lowMs: 2, highMs: 2_000, loss: 0.1 } },
);

const liars: Scenario = {
  name: "liars",
  about: "10 % of the nodes announce all, have nothing, and send wrong bytes",
  sizes: [10, 30],
  plan: (nodes, dice): Plan => {
    const base = cold.plan(nodes, dice);
    const liar = new Set(dice.pick(Math.max(1, Math.round(0.1 * nodes)), nodes));
    return { ...base, nodes: base.nodes.map((node, index) => ({ ...node, isLiar: liar.has(index) })) };
  },
  targets: [
    { figure: "ended", worst: 1, isLeast: true },
    { figure: "right", worst: 1, isLeast: true },
    { figure: "time", median: 1.3, worst: 1.3 },
    { figure: "banned", worst: 1, isLeast: true },
    { figure: "caught", worst: 1, isLeast: true },
    { figure: "wronged", worst: 0 },
  ],
};

const falseWitness: Scenario = {
  name: "false-witness",
  about: "10 % of the nodes pass on wrong bytes of what they took from the origin, and attest them",
  sizes: [10, 30],
  plan: (nodes, dice): Plan => {
    const base = cold.plan(nodes, dice);
    const liar = new Set(dice.pick(Math.max(1, Math.round(0.1 * nodes)), nodes));
    return {
      ...base,
      nodes: base.nodes.map((node, index) => ({ ...node, isFalseWitness: liar.has(index) })),
      boundMs: () => falseWitnessBoundMs(nodes, liar.size),
    };
  },
  targets: [
    { figure: "ended", worst: 1, isLeast: true },
    { figure: "right", worst: 1, isLeast: true },
    { figure: "time", median: 1, worst: 1 },
    { figure: "banned", worst: 1, isLeast: true },
    { figure: "caught", worst: 1, isLeast: true },
    { figure: "wronged", worst: 0 },
  ],
};

/**
 * What the origin's line carries: one copy, the wrong part of it again, one shard for each honest node and liar to compare, and what the
 * liars still miss when the first file has proved wrong and nobody serves them any more. See docs/bounds.md.
 */
function falseWitnessBoundMs(nodes: number, liars: number): number {
  const comparedBytes = (nodes - liars) * liars * SHARD;
  const liarsOwnBytes = liars * SIZE * (1 - 1 / FILES.length);
  return ((SIZE * (1 + liars / nodes) + comparedBytes + liarsOwnBytes) / WAN.bytesPerS) * 1_000;
}

const skew = ((): Scenario => {
  const plan = (nodes: number, dice: import("./dice.js").Dice): Plan => {
    const base = cold.plan(nodes, dice);
    const clockOf = () => ({ offsetMs: dice.between(0, 3_600_000), rate: dice.between(0.999, 1.001) });
    return { ...base, nodes: base.nodes.map((node) => ({ ...node, clock: clockOf() })) };
  };
  return {
    name: "skew",
    about: "clocks an hour apart, and running 0.1 % fast or slow",
    sizes: [32],
    plan,
    targets: cold.targets,
  };
})();

export const SCENARIOS: readonly Scenario[] = [
  cold,
  spread,
  seed,
  mixed,
  crash,
  stall,
  churn,
  slow,
  starved,
  partition,
  lossy,
  liars,
  falseWitness,
  skew,
];
