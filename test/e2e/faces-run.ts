/**
 * One node publishes a folder, a second pulls it, a third asks who has it; then the publisher goes away, and the second and third go on
 * without it, over restarts. Prints what happened as JSON. Run by `faces.test.ts` in a network namespace.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { environmentFor, jsonLines, makeFolders, runSwarm, startDaemon, stopDaemon } from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { printResult, pull, type SwarmNode, SwarmOfProcesses } from "../support/swarm-of-processes.js";

const NAME = "me/finetune";
/** Two shards. */
const SIZE_BYTES = 17 * 1024 * 1024 + 5;
const PATIENCE_MS = 30_000;

async function swarmJson({ env }: SwarmNode, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await runSwarm([...args, "--json"], env);
  const last = jsonLines(stdout).at(-1) as Record<string, unknown> | undefined;
  return { exitCode, stderr, ...last };
}

type Row = { node: string; isUp: boolean; has: string; publisher: string | null };

/** Gossip takes a moment. */
async function located(
  node: SwarmNode,
  target: string,
  isRight: (rows: readonly Row[]) => boolean,
): Promise<readonly Row[]> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const { nodes } = (await swarmJson(node, "locate", target)) as unknown as { nodes: readonly Row[] };
    if (isRight(nodes) || performance.now() > deadlineMs) return nodes;
    await sleep(100);
  }
}

async function restart(swarm: SwarmOfProcesses, node: SwarmNode): Promise<SwarmNode> {
  await stopDaemon(node.daemon);
  const daemon = await startDaemon(["--p2p-port", "0", "--lane-port", "0"], node.env);
  const again = { ...node, daemon };
  swarm.nodes.splice(swarm.nodes.indexOf(node), 1, again);
  return again;
}

async function run(): Promise<Record<string, unknown>> {
  const hub = await EmbeddedHub.start({
    repos: [
      {
        name: "acme/taken",
        files: { "config.json": "{}", "model.safetensors": syntheticContent({ seed: 3, sizeBytes: 3_000_000 }) },
      },
    ],
  });
  await hub.prepare();
  const swarm = new SwarmOfProcesses();
  const { root, remove } = await makeFolders();
  const result: Record<string, unknown> = {};
  try {
    const folder = join(root, "model");
    await mkdir(join(folder, "sub"), { recursive: true });
    const header = Buffer.from(
      JSON.stringify({ w: { dtype: "U8", shape: [SIZE_BYTES], data_offsets: [0, SIZE_BYTES] } }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const weights = Buffer.concat([length, header, Buffer.alloc(SIZE_BYTES, "weights ")]);
    await writeFile(join(folder, "model.safetensors"), weights);
    await writeFile(join(folder, "config.json"), "{}");
    await writeFile(join(folder, "sub", "empty"), "");

    let [a, b, c] = [await swarm.add(hub.url), await swarm.add(hub.url), await swarm.add(hub.url)];
    await swarm.meet();
    const added = await swarmJson(a, "add", folder, "--as", NAME);
    result.added = added;
    result.again = await swarmJson(a, "add", folder, "--as", NAME);
    const publisher = added.publisher as string;
    result.taken = await swarmJson(a, "add", folder, "--as", "acme/taken");

    await located(b, NAME, (rows) => rows.some(({ isUp }) => isUp));
    result.unnamed = await swarmJson(b, "pull", NAME);
    result.wrongNode = await swarmJson(
      b,
      "pull",
      NAME,
      "--from",
      "12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1",
    );
    result.shadow = await swarmJson(b, "pull", "acme/taken", "--from", publisher);
    result.pulled = await pull(b, NAME, "--from", publisher);
    const { commit } = added as { commit: string };
    const there = join(b.folders.cacheDir, "models--me--finetune", "snapshots", commit, "model.safetensors");
    result.isSame =
      createHash("sha256")
        .update(await readFile(there))
        .digest("hex") === createHash("sha256").update(weights).digest("hex");
    result.listed = await swarmJson(b, "ls");
    result.locatedByThird = await located(c, NAME, (rows) => rows.filter(({ isUp }) => isUp).length === 2);
    result.manifestByThird = await swarmJson(c, "manifest", `${NAME}@${commit}`);

    // The publisher goes; its word stays good, and its files are at b. Both of the others are started anew.
    await stopDaemon(a.daemon);
    b = await restart(swarm, b);
    c = await restart(swarm, c);
    result.remembered = await located(c, NAME, (rows) => rows.length >= 2);
    await located(c, NAME, (rows) => rows.some(({ isUp }) => isUp));
    result.pulledLater = await pull(c, NAME, "--from", publisher);
    result.pinned = await swarmJson(c, "pull", NAME);
    const { gateway } = (await swarmJson(c, "status")) as { gateway: string };
    const served = await fetch(`${gateway}/${NAME}/resolve/main/model.safetensors`, {
      headers: { range: "bytes=100-199" },
    });
    const isRight = Buffer.compare(Buffer.from(await served.arrayBuffer()), weights.subarray(100, 200)) === 0;
    result.served = { status: served.status, commit: served.headers.get("x-repo-commit"), isRight };
    await assertCacheIsSound(b.folders.cacheDir);
    await assertCacheIsSound(c.folders.cacheDir);

    // Nobody has started a daemon: the pull's own node has to meet the others first.
    const guest = await makeFolders();
    result.guest = await swarmJson(
      { ...c, folders: guest, env: environmentFor(guest, hub.url) },
      "pull",
      NAME,
      "--from",
      publisher,
    );
    await guest.remove();

    // What can't be published.
    await mkdir(join(root, "empty"));
    await mkdir(join(root, "linked"));
    await symlink("/etc/hostname", join(root, "linked", "outside"));
    result.empty = await swarmJson(c, "add", join(root, "empty"), "--as", "me/empty");
    result.linked = await swarmJson(c, "add", join(root, "linked"), "--as", "me/linked");
    result.missing = await swarmJson(c, "add", join(root, "nothing"), "--as", "me/nothing");
    result.badName = await swarmJson(c, "add", folder, "--as", "../up");
    result.device = await swarmJson(c, "add", "/dev/zero", "--as", "me/zero");
    result.theirs = await swarmJson(c, "add", folder, "--as", NAME);

    // Out of the cache, out of everybody's sight; and the name is free again.
    result.removed = await runSwarm(["rm", NAME, "--yes"], c.env).then(({ exitCode, stderr }) => ({
      exitCode,
      stderr,
    }));
    result.afterRemoval = await located(b, NAME, (rows) => rows.filter(({ isUp }) => isUp).length === 1);
    a = await restart(swarm, a);
    await swarm.meet();
    result.publisherBack = await located(c, NAME, (rows) => rows.filter(({ isUp }) => isUp).length === 2);
    return result;
  } finally {
    await swarm.stop();
    await hub.stop();
    await remove();
  }
}

printResult(await run());
