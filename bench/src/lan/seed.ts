/** c, d: one node has everything, seven want it, and the origin gives nothing; the same with a naive client. */
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SHARD_BYTES } from "@swarmd/protocol";
import type { DoneEvent } from "@swarmd/protocol/api";
import type { HostProcess, LanHost } from "@swarmd/test/lan/lan-host";
import { LanNode } from "@swarmd/test/lan/lan-node";
import { LanOrigin } from "@swarmd/test/lan/lan-origin";
import { waitUntilMet } from "@swarmd/test/lan/meeting";
import { withLan } from "@swarmd/test/lan/with-lan";
import type { Figure } from "../report.js";
import {
  checkFiles,
  describeCores,
  type LanFigures,
  MEET_MS,
  PULL_MS,
  percent,
  pullAll,
  type Setting,
  seconds,
  timed,
  until,
} from "./setting.js";

const NODES = 8;
const REPO = "lan/seeded";
const HTTP_PORT = 8000;
const IPERF_S = 4;
const IPERF_PORT = 5201;

export const oneSeed: LanFigures = {
  letters: ["c", "d"],
  about: `one seed, ${NODES - 1} wanters, no origin, equal links; then every wanter from the seed with curl`,
  run: (setting) =>
    withLan({ parent: setting.parent, hosts: NODES }, async (lan, folder) => {
      const { log, sizeBytes, seedMbit } = setting;
      const carriedMbit = await measureCarrying(lan.hosts);
      log(`  plain TCP streams, each host to the next, all at once, nothing shaped: ${describeCarrying(carriedMbit)}`);
      const origin = await LanOrigin.start(lan.origin, sizeBytes, [REPO]);
      const startArgs = ["--log-level", "warn"];
      const nodes = lan.hosts.map((host) => new LanNode({ host, folder, endpoint: origin.url, startArgs }));
      const [seed, ...wanters] = nodes as [LanNode, ...LanNode[]];
      await Promise.all(nodes.map((node) => node.ready()));
      await waitUntilMet(nodes, MEET_MS);
      const had = await seed.pull(REPO, PULL_MS);
      await origin.egress();
      origin.withhold();
      for (const host of lan.hosts) host.shape("eth0", seedMbit);
      const ours = await runSwarm(wanters, setting);
      await checkFiles(wanters, had.files);
      const { bytesSent } = await origin.egress();
      for (const node of nodes) await node.stop();
      for (const node of wanters) node.forget();
      const naiveMs = await runNaive(seed, wanters, had, folder);
      log(`  curl from nginx on the seed: ${seconds(naiveMs)}`);
      return figuresOf({ ...ours, naiveMs, originBytes: bytesSent, carriedMbit, sizeBytes: had.bytes, seedMbit });
    }),
};

interface Outcome {
  readonly elapsedMs: number;
  /** 0 to 1. */
  readonly busyCores: number;
}

async function runSwarm(wanters: readonly LanNode[], { log }: Setting): Promise<Outcome> {
  const { value: dones, elapsedMs, cores } = await timed(() => pullAll(wanters, REPO));
  const each = dones.map((done) => seconds(done.elapsedMs)).join(", ");
  log(`  ${wanters.length} wanters: ${seconds(elapsedMs)} (${each}), ${describeCores(cores)}`);
  return { elapsedMs, busyCores: cores.busy };
}

/** What the machine can carry at all: nothing is checked or written. In Mbit/s over all; undefined without iperf3. */
async function measureCarrying(hosts: readonly LanHost[]): Promise<number | undefined> {
  const servers = hosts.map((host) => host.spawn("iperf3", ["-s", "-1", "--forceflush", "-p", String(IPERF_PORT)]));
  try {
    await Promise.all(servers.map((server) => server.line((line) => line.includes("listening"), 10_000)));
    const rates = hosts.map(async (host, index) => {
      const next = hosts[(index + 1) % hosts.length] as LanHost;
      const client = host.spawn("iperf3", ["-c", next.address, "-p", String(IPERF_PORT), "-t", String(IPERF_S), "-J"]);
      await client.ended;
      return JSON.parse(client.lines.join("\n")).end.sum_received.bits_per_second / 1e6;
    });
    return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
  } catch {
    return undefined;
  } finally {
    for (const server of servers) server.child.kill("SIGKILL");
  }
}

function describeCarrying(mbit: number | undefined): string {
  return mbit === undefined ? "not measured (no iperf3)" : `${(mbit / 1000).toFixed(1)} Gbit/s in all`;
}

/** Everybody fetches everything from the seed over plain HTTP, checks nothing. @returns milliseconds until all are done */
async function runNaive(seed: LanNode, wanters: readonly LanNode[], had: DoneEvent, folder: string): Promise<number> {
  const server = await startNginx(seed.host, had.path, folder);
  try {
    const urls = readdirSync(had.path).map((name) => `http://${seed.host.address}:${HTTP_PORT}/${name}`);
    const { elapsedMs } = await timed(() =>
      Promise.all(
        wanters.map(async ({ host, root }) => {
          mkdirSync(root, { recursive: true });
          const curl = host.spawn("curl", ["-sSf", "--remote-name-all", "--output-dir", root, ...urls]);
          if ((await curl.ended) !== 0) throw new Error(`curl on ${host.name}: ${curl.stderr()}`);
        }),
      ),
    );
    for (const { root } of wanters) rmSync(root, { recursive: true });
    return elapsedMs;
  } finally {
    server.child.kill("SIGTERM");
    await server.ended;
  }
}

async function startNginx(host: LanHost, root: string, folder: string): Promise<HostProcess> {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/nginx-${kind};`)
    .join(" ");
  const config = `user root; daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log; events {}
    http { access_log off; sendfile on; tcp_nopush on; ${temporary} server { listen ${HTTP_PORT}; root ${root}; } }`;
  writeFileSync(join(folder, "nginx.conf"), config);
  const server = host.spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "nginx.log")]);
  const probe = async () => {
    const curl = host.spawn("curl", ["-s", "-o", "/dev/null", `http://${host.address}:${HTTP_PORT}/config.json`]);
    const [code] = (await once(curl.child, "close")) as [number];
    return code === 0;
  };
  await until(probe, "nginx on the seed answers", 5_000);
  return server;
}

interface Seeded extends Outcome {
  readonly naiveMs: number;
  readonly originBytes: number;
  readonly carriedMbit: number | undefined;
  readonly sizeBytes: number;
  readonly seedMbit: number;
}

function figuresOf({ elapsedMs, busyCores, naiveMs, originBytes, carriedMbit, sizeBytes, seedMbit }: Seeded): Figure[] {
  // docs/bounds.md: headers of TCP and of Ethernet (4 to 5 %) count against us, as they do for whoever we are compared with.
  const idealMs = ((sizeBytes * 8) / (seedMbit * 1000)) * (1 + Math.log2(NODES) / Math.ceil(sizeBytes / SHARD_BYTES));
  const efficiency = idealMs / elapsedMs;
  const factor = naiveMs / elapsedMs;
  const limits = `links ${seedMbit} Mbit/s; plain TCP here: ${describeCarrying(carriedMbit)}; cores ${percent(busyCores)} busy`;
  return [
    {
      id: "c",
      what: `one seed, ${NODES - 1} wanters, all files checked, ${originBytes} bytes from the origin: part of the ideal`,
      measured: `${percent(efficiency)} (${seconds(elapsedMs)})`,
      against: `ideal ${seconds(idealMs)}; ${limits}`,
      target: "≥ 85 %",
      reached: efficiency >= 0.85 && originBytes === 0,
      values: { efficiency, elapsedMs, idealMs, seedMbit, busyCores, carriedMbit: carriedMbit ?? Number.NaN },
    },
    {
      id: "d",
      what: "the same, against curl from nginx on the seed, unchecked",
      measured: `${factor.toFixed(1)} × as fast`,
      against: `curl: ${seconds(naiveMs)}`,
      target: "≥ 4 ×",
      reached: factor >= 4,
      values: { factor, naiveMs },
    },
  ];
}
