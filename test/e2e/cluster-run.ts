/**
 * A cluster of daemons as processes, from the first code to the last member's removal. Run by `cluster.test.ts` in a network namespace
 * of its own, where the loopback interface is all there is, and what passes over it is captured. Prints what happened as JSON.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterCreated, ClusterInvitation, ClusterRotated, ClusterStatus } from "@swarmd/protocol/api";
import {
  environmentFor,
  type Finished,
  type Folders,
  jsonLines,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { daemonClient } from "../support/daemon-client.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { PacketCapture } from "../support/packet-capture.js";

const TOKEN = "hf_reader";
const SIZE_BYTES = 5_000_321;
const MEETING_MS = 60_000;

interface Node {
  readonly folders: Folders;
  readonly env: NodeJS.ProcessEnv;
  readonly daemon: Running;
  /** How long its log was when it last changed its peers: what it heard before does not count. */
  since: number;
}

const noise = (seed: number, sizeBytes = SIZE_BYTES) =>
  createHash("shake256", { outputLength: sizeBytes + seed })
    .update(`cluster ${seed}`)
    .digest();
const contents = {
  "acme/open": noise(1),
  "acme/secret": noise(2),
  // Two shards: from a peer they count only with evidence, which is for members with access too.
  "acme/gated": noise(3, 20_000_000),
  "acme/late": noise(4),
  "acme/plain": noise(5),
};
type Repo = keyof typeof contents;

/** Of each repo that was pulled. */
const commits = new Map<Repo, string>();

/** What must not be seen of a private repo: its name, its commit, its file's digest in all forms, its size, and bytes from its middle. */
function secretsOf(repo: Repo) {
  const digest = createHash("sha256").update(contents[repo]).digest();
  const commit = commits.get(repo);
  if (commit === undefined) throw new Error(`${repo} was not pulled yet: nothing can be known of it`);
  return {
    name: Buffer.from(repo.split("/")[1] as string),
    commit: Buffer.from(commit),
    rawCommit: Buffer.from(commit, "hex"),
    hex: Buffer.from(digest.toString("hex")),
    raw: digest,
    base64: Buffer.from(digest.toString("base64").slice(0, 42)),
    size: Buffer.from(String(contents[repo].length)),
    bytes: contents[repo].subarray(2_000_000, 2_000_064),
  };
}

async function startNode(endpoint: string, token: string | undefined, args: readonly string[] = []): Promise<Node> {
  const folders = await makeFolders();
  const env = environmentFor(folders, endpoint, token === undefined ? {} : { HF_TOKEN: token });
  const flags = ["--p2p-port", "0", "--lane-port", "0", "--log-level", "debug", ...args];
  return { folders, env, daemon: await startDaemon(flags, env), since: 0 };
}

async function swarm<Value>(node: Node, ...args: readonly string[]): Promise<Value> {
  const { exitCode, stdout, stderr } = await runSwarm([...args, "--json"], node.env);
  if (exitCode !== 0) throw new Error(`swarm ${args.join(" ")} ended with ${exitCode}: ${stdout} ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) as string) as Value;
}

async function fails(
  node: Node,
  ...args: readonly string[]
): Promise<{ readonly exitCode: number; readonly message: string }> {
  const { exitCode, stdout } = await runSwarm([...args, "--json"], node.env);
  const last = jsonLines(stdout).at(-1) as unknown as { readonly message?: string };
  return { exitCode: exitCode ?? -1, message: last?.message ?? "" };
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + MEETING_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`waited too long until ${what}`);
    await sleep(100);
  }
}

const askable = ({ folders }: Node) => daemonClient(folders.stateDir);
const soon = () => ({ signal: AbortSignal.timeout(MEETING_MS) });
const connected = async (node: Node) =>
  (await askable(node).cluster(undefined, soon())).members.filter((one) => one.isConnected && !one.isSelf).length;
const peersOf = async (node: Node) => (await askable(node).status(undefined, soon())).peers.length;

interface Done {
  readonly bytesFromOrigin: number;
  readonly bytesFromPeers: number;
}

/** Peers are met; what they hold is heard a moment later. A pull that is to be served by them waits for that. */
async function hears(node: Node, ...repos: readonly Repo[]): Promise<void> {
  for (const repo of repos) {
    const whole = `sha256:${secretsOf(repo).hex} all`;
    await until(`${repo} is heard of`, async () => node.daemon.stderr().indexOf(whole, node.since) !== -1);
  }
}

async function pull(node: Node, repo: Repo, ...more: readonly string[]): Promise<Done> {
  const { exitCode, stdout, stderr }: Finished = await runSwarm(["pull", repo, "--json", ...more], node.env);
  if (exitCode !== 0)
    throw new Error(`pull ${repo} ended with ${exitCode}: ${stdout.slice(-600)} ${stderr.slice(-600)}`);
  const { bytesFromOrigin, bytesFromPeers, commit } = jsonLines(stdout).at(-1) as unknown as Done & {
    readonly commit: string;
  };
  commits.set(repo, commit);
  return { bytesFromOrigin, bytesFromPeers };
}

/** The origin still says what there is, but has no bytes: a slow moment among peers is no reason to fetch from there. */
async function pullFromPeers(hub: EmbeddedHub, node: Node, repo: Repo): Promise<Done> {
  hub.faults.set([{ kind: "status", status: 503, on: ["resolve", "resolveCache", "cdn"] }]);
  try {
    return await pull(node, repo);
  } finally {
    hub.faults.clear();
  }
}

/** Another last character: a code of the same invitation that is wrong. */
function wrong(code: string): string {
  return code.slice(0, -1) + (code.endsWith("0") ? "1" : "0");
}

async function run(): Promise<Record<string, unknown>> {
  const hub = await EmbeddedHub.start({
    repos: [
      { name: "acme/open", files: { "model.safetensors": contents["acme/open"] } },
      { name: "acme/secret", files: { "model.safetensors": contents["acme/secret"] }, private: true },
      { name: "acme/gated", files: { "model.safetensors": contents["acme/gated"] }, gated: true },
      { name: "acme/plain", files: { "model.safetensors": contents["acme/plain"] } },
      { name: "acme/late", files: { "model.safetensors": contents["acme/late"] } },
    ],
  });
  await hub.prepare();
  const capture = PacketCapture.start({ without: [hub.url, hub.cdnUrl].map((url) => Number(new URL(url).port)) });
  const nodes: Node[] = [];
  const note = (text: string) => process.stderr.write(`${(performance.now() / 1000).toFixed(1)} s  ${text}\n`);
  try {
    const start = async (token: string | undefined, args: readonly string[] = []) => {
      const node = await startNode(hub.url, token, args);
      nodes.push(node);
      return node;
    };
    const [a, b, stranger, shy] = await Promise.all([
      start(TOKEN),
      start(TOKEN),
      start(undefined),
      start(undefined, ["--encrypt", "always"]),
    ]);

    note("open mode: a private repo stays where it is");
    for (const node of nodes) await until("all four met", async () => (await peersOf(node)) === 3);
    await Promise.all((["acme/secret", "acme/gated", "acme/open"] as const).map((repo) => pull(a, repo)));
    await hears(b, "acme/open");
    await hears(stranger, "acme/open");
    const inOpenMode = {
      secretForOwner: await pull(b, "acme/secret"),
      openForStranger: await pullFromPeers(hub, stranger, "acme/open"),
      secretForStranger: await fails(stranger, "pull", "acme/secret"),
    };
    const seenInOpenMode = {
      secret: capture.find(secretsOf("acme/secret")),
      gated: capture.find(secretsOf("acme/gated")),
      open: capture.find(secretsOf("acme/open")),
    };
    note("--encrypt always: public files are encrypted too");
    await pull(shy, "acme/plain");
    await hears(stranger, "acme/plain");
    const fromShy = await pullFromPeers(hub, stranger, "acme/plain");
    const seenFromShy = capture.find(secretsOf("acme/plain"));
    capture.clear();
    await hears(shy, "acme/open");
    const toShy = await pullFromPeers(hub, shy, "acme/open");
    const seenToShy = capture.find(secretsOf("acme/open"));
    await stopDaemon(shy.daemon);
    capture.clear();

    const heardInOpenMode = (["acme/open", "acme/secret", "acme/gated"] as const).map((repo) =>
      stranger.daemon.stderr().includes(secretsOf(repo).hex.toString()),
    );

    note("a code: wrong twice, then right; the third wrong one voids it");
    for (const node of nodes) node.since = node.daemon.stderr().length;
    const created = await swarm<ClusterCreated>(a, "cluster", "create", "--name", "laboratory");
    const { code, port } = created.invited as ClusterInvitation;
    const tries = [
      await fails(b, "cluster", "join", wrong(code), "--at", `127.0.0.1:${port}`),
      await fails(b, "cluster", "join", wrong(code)),
    ];
    const joined = await swarm<ClusterStatus>(b, "cluster", "join", code.toLowerCase().replace("-", " "));
    tries.push(await fails(stranger, "cluster", "join", wrong(code), "--at", `127.0.0.1:${port}`));
    const afterVoid = await fails(stranger, "cluster", "join", code, "--at", `127.0.0.1:${port}`);
    await until("the members met", async () => (await connected(a)) === 1 && (await connected(b)) === 1);
    const keyMode = (await stat(join(a.folders.stateDir, "cluster.json"))).mode & 0o777;

    note("inside, private and gated files move over the LAN, encrypted");
    await swarm(b, "rm", "acme/secret", "--yes");
    await hears(b, "acme/secret", "acme/gated");
    const inside = {
      secret: await pullFromPeers(hub, b, "acme/secret"),
      gated: await pullFromPeers(hub, b, "acme/gated"),
    };
    const seenInside = {
      secret: capture.find(secretsOf("acme/secret")),
      gated: capture.find(secretsOf("acme/gated")),
      clusterName: capture.find({ name: Buffer.from("laboratory") }),
    };
    const strangersPeers = await peersOf(stranger);

    note("who has no access gets nothing by its rule, and a third member is invited");
    const invitation = await swarm<ClusterInvitation>(b, "cluster", "invite");
    await swarm(stranger, "cluster", "join", invitation.code);
    await until("three met", async () => (await connected(stranger)) === 2 && (await connected(a)) === 2);
    const withoutAccess = await fails(stranger, "pull", "acme/secret");

    note("the origin is gone: members help each other");
    await pull(a, "acme/late");
    await hears(stranger, "acme/late");
    await hub.stop();
    const withoutPeers = await fails(stranger, "pull", "acme/late", "--no-peer");
    const offline = await pull(stranger, "acme/late");
    const basis = await readdir(join(stranger.folders.stateDir, "basis", "models--acme--late"));

    note("a member is removed");
    const removed = await swarm<ClusterRotated>(
      a,
      "cluster",
      "remove",
      (await swarm<ClusterStatus>(stranger, "cluster", "status")).self,
    );
    await until("two are left", async () => (await connected(a)) === 1 && (await connected(b)) === 1);
    const removedSees = await connected(stranger);
    const left = await swarm<{ readonly name: string }>(b, "cluster", "leave");
    const afterLeave = await swarm<ClusterStatus>(b, "cluster", "status");
    const withoutCluster = await fails(b, "pull", "acme/late");

    note("a cluster by a key from elsewhere, in which all members share");
    const hidden = await fails(a, "cluster", "key");
    await swarm(a, "cluster", "leave");
    await swarm(stranger, "cluster", "leave");
    const keyFile = join(a.folders.root, "swarm.key");
    await writeFile(keyFile, `/key/swarm/psk/1.0.0/\n/base16/\n${"5a".repeat(32)}\n`);
    for (const node of nodes) node.since = node.daemon.stderr().length;
    const options = ["--share-gated", "members", "--key", keyFile];
    const second = await swarm<ClusterCreated>(a, "cluster", "create", ...options);
    await swarm(stranger, "cluster", "join", (second.invited as ClusterInvitation).code);
    await until("both met", async () => (await connected(stranger)) === 1);
    const shown = await swarm<{ readonly swarmKey: string }>(stranger, "cluster", "key", "--show");
    await hears(stranger, "acme/secret");
    const sharedWithAll = await pull(stranger, "acme/secret");
    const seenWithAll = capture.find(secretsOf("acme/secret"));
    for (const { folders } of nodes) await assertCacheIsSound(folders.cacheDir);
    return {
      fromShy,
      seenFromShy,
      toShy,
      seenToShy,
      hidden,
      shownKey: shown.swarmKey,
      sharedWithAll,
      seenWithAll,
      inOpenMode,
      seenInOpenMode,
      heardInOpenMode,
      tries,
      joined: joined.name,
      afterVoid,
      keyMode,
      inside,
      seenInside,
      strangersPeers,
      withoutAccess,
      withoutPeers,
      offline,
      basis,
      removed,
      removedSees,
      left,
      afterLeave: afterLeave.mode,
      withoutCluster,
      sizeBytes: SIZE_BYTES,
    };
  } finally {
    capture.stop();
    for (const { daemon, folders } of nodes) {
      const { stderr } = await stopDaemon(daemon);
      if (process.env.SWARM_TEST_LOGS !== undefined) {
        const events = await readFile(join(folders.stateDir, "events.jsonl"), "utf8");
        process.stderr.write(`--- ${folders.root}\n${stderr}${events}`);
      }
      await folders.remove();
    }
    await hub.stop().catch(() => undefined);
  }
}

console.log(`result ${JSON.stringify(await run())}`);
