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
import { EmbeddedHub } from "../support/hub/hub.js";
import { PacketCapture } from "../support/packet-capture.js";

const TOKEN = "hf_reader";
const SIZE_BYTES = 5_000_321;
const MEETING_MS = 60_000;

interface Node {
  readonly folders: Folders;
  env: NodeJS.ProcessEnv;
  daemon: Running;
}

const noise = (seed: number) =>
  createHash("shake256", { outputLength: SIZE_BYTES + seed })
    .update(`cluster ${seed}`)
    .digest();
const contents = {
  "acme/open": noise(1),
  "acme/secret": noise(2),
  "acme/gated": noise(3),
  "acme/late": noise(4),
  "acme/plain": noise(5),
};
type Repo = keyof typeof contents;

/** What must not be seen of a private repo: its name, its file's digest in both forms, its size, and bytes from its middle. */
function secretsOf(repo: Repo): Record<string, Buffer> {
  const digest = createHash("sha256").update(contents[repo]).digest();
  return {
    name: Buffer.from(repo.split("/")[1] as string),
    hex: Buffer.from(digest.toString("hex")),
    raw: digest,
    size: Buffer.from(String(contents[repo].length)),
    bytes: contents[repo].subarray(2_000_000, 2_000_064),
  };
}

async function startNode(endpoint: string, token: string | undefined, args: readonly string[] = []): Promise<Node> {
  const folders = await makeFolders();
  const env = environmentFor(folders, endpoint, token === undefined ? {} : { HF_TOKEN: token });
  return { folders, env, daemon: await startDaemon(["--p2p-port", "0", "--lane-port", "0", ...args], env) };
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

const connected = async (node: Node) =>
  (await swarm<ClusterStatus>(node, "cluster", "status")).members.filter((one) => one.isConnected && !one.isSelf)
    .length;
const peersOf = async (node: Node) => (await swarm<unknown[]>(node, "peers")).length;

interface Done {
  readonly bytesFromOrigin: number;
  readonly bytesFromPeers: number;
}

/** Peers are met; what they hold is heard a moment later, so a pull is tried when its holder is known. */
async function pull(node: Node, repo: Repo, ...more: readonly string[]): Promise<Done> {
  await sleep(500);
  const { exitCode, stdout, stderr }: Finished = await runSwarm(["pull", repo, "--json", ...more], node.env);
  if (exitCode !== 0)
    throw new Error(`pull ${repo} ended with ${exitCode}: ${stdout.slice(-600)} ${stderr.slice(-600)}`);
  const { bytesFromOrigin, bytesFromPeers } = jsonLines(stdout).at(-1) as unknown as Done;
  return { bytesFromOrigin, bytesFromPeers };
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
    const a = await startNode(hub.url, TOKEN);
    const b = await startNode(hub.url, TOKEN);
    const stranger = await startNode(hub.url, undefined);
    nodes.push(a, b, stranger);

    note("open mode: a private repo stays where it is");
    await until("all three met", async () => (await peersOf(a)) === 2 && (await peersOf(stranger)) === 2);
    for (const repo of ["acme/secret", "acme/gated", "acme/open"] as const) await pull(a, repo);
    const inOpenMode = {
      secretForOwner: await pull(b, "acme/secret"),
      openForStranger: await pull(stranger, "acme/open"),
      secretForStranger: await fails(stranger, "pull", "acme/secret"),
    };
    const seenInOpenMode = {
      secret: capture.find(secretsOf("acme/secret")),
      gated: capture.find(secretsOf("acme/gated")),
      open: capture.find(secretsOf("acme/open")),
    };
    note("--encrypt always: public files are encrypted too");
    const shy = await startNode(hub.url, undefined, ["--encrypt", "always"]);
    nodes.push(shy);
    await until("the fourth is met", async () => (await peersOf(stranger)) === 3);
    await pull(shy, "acme/plain");
    const fromShy = await pull(stranger, "acme/plain");
    const seenFromShy = capture.find(secretsOf("acme/plain"));
    await stopDaemon(shy.daemon);
    capture.clear();

    note("a code: wrong twice, then right; the third wrong one voids it");
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
    const inside = { secret: await pull(b, "acme/secret"), gated: await pull(b, "acme/gated") };
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
    const options = ["--share-gated", "members", "--key", keyFile];
    const second = await swarm<ClusterCreated>(a, "cluster", "create", ...options);
    await swarm(stranger, "cluster", "join", (second.invited as ClusterInvitation).code);
    await until("both met", async () => (await connected(stranger)) === 1);
    const shown = await swarm<{ readonly swarmKey: string }>(stranger, "cluster", "key", "--show");
    const sharedWithAll = await pull(stranger, "acme/secret");
    const seenWithAll = capture.find(secretsOf("acme/secret"));
    for (const { folders } of nodes) await assertCacheIsSound(folders.cacheDir);
    return {
      fromShy,
      seenFromShy,
      hidden,
      shownKey: shown.swarmKey,
      sharedWithAll,
      seenWithAll,
      inOpenMode,
      seenInOpenMode,
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
