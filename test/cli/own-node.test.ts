/** Daemons that come and go, and pulls with no daemon at all: real processes, a real node, an embedded Hub. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  environmentFor,
  type Folders,
  jsonLines,
  launch,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { makeModelRepo } from "../support/repo-maker.js";

const LARGE_BYTES = 8_000_000;
const UPLINK = 4_000_000;

let hub: EmbeddedHub;

before(async () => {
  hub = await EmbeddedHub.start({
    repos: [
      { name: "org/large", files: makeModelRepo({ weightBytes: LARGE_BYTES, title: "large" }) },
      { name: "org/small", files: makeModelRepo({ weightBytes: 1_000_000, title: "small" }) },
    ],
    uplinkBytesPerSecond: UPLINK,
  });
  await hub.prepare();
});

after(() => hub.stop());

async function withFolders(work: (folders: Folders, env: NodeJS.ProcessEnv) => Promise<void>): Promise<void> {
  const folders = await makeFolders();
  try {
    await work(folders, environmentFor(folders, hub.url));
  } finally {
    await folders.remove();
  }
}

/** Resolves once the run has printed what matches; rejects when it ends before. */
function untilPrinted(run: Running, what: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (what.test(run.stdout() + run.stderr())) resolve();
    };
    run.child.stdout?.on("data", look);
    run.child.stderr?.on("data", look);
    void run.finished.then(() => reject(new Error(`ended without ${what}:\n${run.stderr()}`)));
    look();
  });
}

function bytesSent(): number {
  return Object.values(hub.stats().files).reduce((sum, { bytesSent: sent }) => sum + sent, 0);
}

describe("a daemon", () => {
  it("stops on SIGTERM, and leaves neither socket nor lock", () =>
    withFolders(async ({ stateDir }, env) => {
      const daemon = await startDaemon([], env);
      assert.match(daemon.stdout(), /^swarmd 0\.1\.0 is ready: socket .*swarmd\.sock, cache /);
      assert.ok(existsSync(join(stateDir, "swarmd.sock")));
      const { exitCode } = await stopDaemon(daemon);
      assert.equal(exitCode, 0);
      const left = await readdir(stateDir);
      assert.deepEqual(
        left.filter((name) => /sock|lock/.test(name)),
        [],
      );
    }));

  it("starts where another was killed", () =>
    withFolders(async (_folders, env) => {
      const first = await startDaemon([], env);
      first.child.kill("SIGKILL");
      await first.finished;
      const second = await startDaemon([], env);
      const status = await runSwarm(["status", "--json"], env);
      assert.equal(JSON.parse(status.stdout).pid, second.pid);
      await stopDaemon(second);
    }));

  it("ends a pull with a sentence when it is stopped", () =>
    withFolders(async (_folders, env) => {
      const daemon = await startDaemon([], env);
      const pull = launch("swarm", ["pull", "org/large"], env);
      await untilPrinted(pull, /org\/large@main/);
      await stopDaemon(daemon);
      const { exitCode, stderr } = await pull.finished;
      assert.equal(exitCode, 8, stderr);
      assert.match(stderr, /error: the daemon was stopped before this was done\nhint: Run the same command again/);
    }));
});

describe("with no daemon", () => {
  it("a pull runs a node of its own, says so, and leaves the state folder free", () =>
    withFolders(async ({ stateDir }, env) => {
      const { exitCode, stdout, stderr } = await runSwarm(["pull", "org/small"], env);
      assert.equal(exitCode, 0, stderr);
      assert.match(stderr, /^no daemon is running: pulling with a node of its own/);
      assert.match(stdout, /^WAN 1\.00× {2}LAN 0\.00× {2}cache 0\.00×/m);
      assert.ok(!existsSync(join(stateDir, "swarmd.sock")));
      const listing = JSON.parse((await runSwarm(["ls", "--json"], env)).stdout);
      assert.equal(listing.revisions[0].repo, "org/small");
    }));

  it("two pulls at the same moment share one node, and one copy", () =>
    withFolders(async (_folders, env) => {
      const before = bytesSent();
      const runs = [1, 2, 3].map(() => launch("swarm", ["pull", "org/small", "--json"], env));
      for (const { finished } of runs) {
        const { exitCode, stdout, stderr } = await finished;
        assert.equal(exitCode, 0, stderr + stdout);
      }
      const { bytes } = jsonLines(runs[0]?.stdout() ?? "").at(-1) as unknown as { bytes: number };
      assert.ok(bytesSent() - before < bytes * 1.05, `${bytesSent() - before} bytes left the Hub for ${bytes}`);
    }));

  it("swarmd stop ends a pull that has the node", () =>
    withFolders(async (_folders, env) => {
      const pull = launch("swarm", ["pull", "org/large"], env);
      await untilPrinted(pull, /org\/large@main/);
      const stop = await launch("swarmd", ["stop"], env).finished;
      assert.deepEqual([stop.exitCode, stop.stdout], [0, `stopped (process ${pull.pid})\n`], stop.stderr);
      assert.equal((await pull.finished).exitCode, 8);
    }));

  it("the pull that has the node waits for those it serves", () =>
    withFolders(async (_folders, env) => {
      const first = launch("swarm", ["pull", "org/small"], env);
      await untilPrinted(first, /org\/small@main/);
      const second = launch("swarm", ["pull", "org/large"], env);
      const [ended, served] = await Promise.all([first.finished, second.finished]);
      assert.deepEqual([ended.exitCode, served.exitCode], [0, 0], served.stderr);
      assert.match(ended.stderr, /another pull is still being served/);
      assert.doesNotMatch(served.stderr, /no daemon is running/);
    }));

  it("Ctrl-C keeps what was fetched, and the next pull goes on from there", () =>
    withFolders(async (_folders, env) => {
      const before = bytesSent();
      const first = launch("swarm", ["pull", "org/large", "--json"], env);
      await untilPrinted(first, /"bytes":[2-7]\d{6},"totalBytes"/);
      first.child.kill("SIGINT");
      const { exitCode, stdout } = await first.finished;
      assert.equal(exitCode, 130);
      assert.equal(jsonLines(stdout).at(-1)?.code, "INTERRUPTED");
      const second = await runSwarm(["pull", "org/large", "--json"], env);
      assert.equal(second.exitCode, 0, second.stderr);
      const start = jsonLines(second.stdout).find(({ type }) => type === "start") as unknown as {
        bytesPresent: number;
      };
      assert.ok(start.bytesPresent > 1_000_000, `${start.bytesPresent} bytes were kept`);
      assert.ok(bytesSent() - before < LARGE_BYTES * 1.3, `${bytesSent() - before} bytes left the Hub`);
    }));
});
