/** e: a slow cable and a fast one between two nodes; then the fast one is pulled in the middle of a pull. */

import { setTimeout as sleep } from "node:timers/promises";
import type { LanHost } from "@swarmd/test/lan/lan-host";
import { LanNode } from "@swarmd/test/lan/lan-node";
import { LanOrigin } from "@swarmd/test/lan/lan-origin";
import { waitUntilMet } from "@swarmd/test/lan/meeting";
import { withLan } from "@swarmd/test/lan/with-lan";
import type { Figure } from "../report.js";
import { checkFiles, type LanFigures, MEET_MS, PULL_MS, percent, type Setting, seconds, until } from "./setting.js";

const SLOW_MBIT = 300;
const FAST_MBIT = 1_500;
const [WHOLE, CUT] = ["lan/whole", "lan/cut"] as const;
/** Of the bytes of the repo: when the cable is pulled. */
const CUT_AT = 0.4;
const SAMPLE_MS = 25;
/** Payload of a full frame of 1,514 bytes, as the shaping counts; the interfaces count segments of 64 KiB, hardly any headers. */
const PAYLOAD = 1448 / 1514;
/** What a stall looks like on the slow link: less than this part of its rate. */
const ALIVE = 0.5;

export const twoLinks: LanFigures = {
  letters: ["e"],
  about: `two nodes with a link of ${SLOW_MBIT} Mbit/s and a thunderbolt0 of ${FAST_MBIT} Mbit/s, which is cut midway`,
  run: (setting) =>
    withLan(
      { parent: setting.parent, hosts: 2, lanMbit: SLOW_MBIT, fastHosts: 2, fastMbit: FAST_MBIT },
      async (lan, folder) => {
        const [seedHost, wanterHost] = lan.hosts as [LanHost, LanHost];
        const origin = await LanOrigin.start(lan.origin, setting.sizeBytes, [WHOLE, CUT]);
        const startArgs = ["--log-level", "warn"];
        const make = (host: LanHost) => new LanNode({ host, folder, endpoint: origin.url, startArgs });
        const [seed, wanter] = [make(seedHost), make(wanterHost)];
        await Promise.all([seed.ready(), wanter.ready()]);
        await waitUntilMet([seed, wanter], MEET_MS);
        seedHost.unshape("eth0");
        for (const repo of [WHOLE, CUT]) await seed.pull(repo, PULL_MS);
        seedHost.shape("eth0", SLOW_MBIT);
        origin.withhold();
        const share = await runWhole(wanter, setting);
        await wanter.remove(WHOLE);
        const cut = await runCut(wanter, setting);
        return figuresOf(share, cut);
      },
    ),
};

interface Share {
  readonly fastBytes: number;
  readonly slowBytes: number;
  readonly elapsedMs: number;
}

async function runWhole(wanter: LanNode, { log }: Setting): Promise<Share> {
  const { host } = wanter;
  const before = [host.counters("thunderbolt0"), host.counters("eth0")] as const;
  const { elapsedMs } = await wanter.pull(WHOLE, PULL_MS);
  const fastBytes = host.counters("thunderbolt0").receivedBytes - before[0].receivedBytes;
  const slowBytes = host.counters("eth0").receivedBytes - before[1].receivedBytes;
  log(`  nothing cut: ${seconds(elapsedMs)}, ${percent(fastBytes / (fastBytes + slowBytes))} over thunderbolt0`);
  return { fastBytes, slowBytes, elapsedMs };
}

interface Cut {
  /** From the cut until the slow link carried what it can. */
  readonly silentMs: number;
  /** What the cut cost, over the time that the slow link takes for what was left. */
  readonly lostMs: number;
  /** Of files, over both links, as the node counts them. */
  readonly receivedBytes: number;
  readonly sizeBytes: number;
  /** On the wire, headers included, over what the files need. */
  readonly wireRatio: number;
}

async function runCut(wanter: LanNode, { log, sizeBytes }: Setting): Promise<Cut> {
  const { host } = wanter;
  const fastBefore = host.counters("thunderbolt0").receivedBytes;
  const slowBefore = host.counters("eth0").receivedBytes;
  const received = () => host.counters("thunderbolt0").receivedBytes - fastBefore;
  const pull = wanter.startPull(CUT, PULL_MS);
  await until(() => received() > CUT_AT * sizeBytes, "the fast link carries the first part", PULL_MS);
  host.cut("thunderbolt0");
  const cutMs = performance.now();
  const fastBytes = received();
  let isDone = false;
  const done = pull.done.finally(() => {
    isDone = true;
  });
  const silentMs = await watchSlow(host, () => isDone);
  const { bytes, bytesFromPeers, bytesFromCache, files } = await done;
  const afterMs = performance.now() - cutMs;
  const slowBytes = host.counters("eth0").receivedBytes - slowBefore;
  host.restore("thunderbolt0");
  const leftMs = ((bytes - fastBytes) * 8) / (SLOW_MBIT * 1000 * PAYLOAD);
  const lostMs = afterMs - leftMs;
  const wireRatio = (fastBytes + slowBytes) / bytes;
  log(
    `  cut: silent for ${silentMs.toFixed(0)} ms; ${seconds(afterMs)} for what the slow link carries in ${seconds(leftMs)}`,
  );
  await checkFiles([wanter], files);
  return { silentMs, lostMs, receivedBytes: bytesFromPeers + bytesFromCache, sizeBytes: bytes, wireRatio };
}

/** @returns milliseconds until the slow link carries at least a part of what it can */
async function watchSlow(host: LanHost, isDone: () => boolean): Promise<number> {
  const startMs = performance.now();
  let [atMs, bytes] = [startMs, host.counters("eth0").receivedBytes];
  for (;;) {
    await sleep(SAMPLE_MS);
    const [nowMs, now] = [performance.now(), host.counters("eth0").receivedBytes];
    const mbit = ((now - bytes) * 8) / 1000 / (nowMs - atMs);
    if (mbit > ALIVE * SLOW_MBIT || isDone()) return nowMs - startMs;
    [atMs, bytes] = [nowMs, now];
  }
}

function figuresOf({ fastBytes, slowBytes, elapsedMs }: Share, cut: Cut): Figure[] {
  const share = fastBytes / (fastBytes + slowBytes);
  const twice = cut.receivedBytes - cut.sizeBytes;
  return [
    {
      id: "e",
      what: "two nodes, two links: bytes on the fast one",
      measured: `${percent(share)} (${seconds(elapsedMs)})`,
      against: `interface counters; ${SLOW_MBIT} and ${FAST_MBIT} Mbit/s`,
      target: "≥ 95 %",
      reached: share >= 0.95,
      values: { share, elapsedMs },
    },
    {
      id: "e",
      what: "the fast link is cut midway: time lost",
      measured: `${seconds(cut.lostMs)} (silent for ${seconds(cut.silentMs)})`,
      against: "the rest at the slow link's full rate",
      target: "≤ 2 s",
      reached: cut.lostMs <= 2_000 && cut.silentMs <= 2_000,
      values: { lostMs: cut.lostMs, silentMs: cut.silentMs },
    },
    {
      id: "e",
      what: "the same: bytes fetched twice, all files read back",
      measured: `${twice} bytes (on the wire ${cut.wireRatio.toFixed(3)} × the files)`,
      against: "the files' size",
      target: "0 bytes",
      reached: twice === 0,
      values: { twiceBytes: twice, wireRatio: cut.wireRatio },
    },
  ];
}
