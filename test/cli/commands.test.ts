/** The real `swarm` against a daemon process whose node lives in memory: what is printed where, and how it ends. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type ErrorCode, exitCodeOf } from "@swarmd/protocol";
import { environmentFor, type Folders, jsonLines, launch, makeFolders, runSwarm } from "../support/binaries.js";
import { FLOOD_EVENTS, MEMORY_REVISION } from "../support/memory-node.js";

const MEMORY_DAEMON = fileURLToPath(new URL("../support/memory-daemon.js", import.meta.url));

let folders: Folders;
let env: NodeJS.ProcessEnv;
let daemon: ChildProcess;

before(async () => {
  folders = await makeFolders();
  env = environmentFor(folders, "http://127.0.0.1:9");
  daemon = spawn(process.execPath, [MEMORY_DAEMON], { env, stdio: ["ignore", "pipe", "ignore"] });
  await once(daemon.stdout as NodeJS.ReadableStream, "data");
});

after(async () => {
  if (daemon.exitCode === null) {
    daemon.kill("SIGTERM");
    await once(daemon, "exit");
  }
  await folders.remove();
});

describe("swarm pull", () => {
  it("prints path and origins on stdout, the rest on stderr", async () => {
    const { exitCode, stdout, stderr } = await runSwarm(["pull", "org/small@v1"], env);
    assert.equal(exitCode, 0);
    assert.deepEqual(stdout.split("\n"), [
      MEMORY_REVISION.path,
      "WAN 1.00×  LAN 0.00×  cache 0.00×  2 files, 3.00 MB in 1.2s (2.43 MB/s)",
      "",
    ]);
    assert.match(stderr, /^org\/small@v1: 2 files, 3\.00 MB$|\(0123456\)/m);
    assert.match(stderr, /model\.safetensors done, 3\.00 MB \(2\/2\)/);
  });

  it("--quiet prints the path alone", async () => {
    const { exitCode, stdout, stderr } = await runSwarm(["pull", "org/small", "--quiet"], env);
    assert.deepEqual([exitCode, stdout, stderr], [0, `${MEMORY_REVISION.path}\n`, ""]);
  });

  it("--json prints one object per line, and nothing else anywhere", async () => {
    const { exitCode, stdout, stderr } = await runSwarm(["pull", "org/small", "--json"], env);
    assert.deepEqual([exitCode, stderr], [0, ""]);
    const types = jsonLines(stdout).map(({ type }) => type);
    assert.deepEqual(types, ["start", "progress", "file", "file", "done"]);
  });

  it("--out and --local-dir reach the daemon as absolute paths", async () => {
    const out = await runSwarm(["pull", "org/small", "--out", "x/model.gguf", "--quiet"], env, { cwd: folders.root });
    assert.equal(out.stdout.trim(), join(folders.root, "x/model.gguf"));
    const dir = await runSwarm(["pull", "org/small", "--local-dir", ".", "--quiet"], env, { cwd: folders.root });
    assert.equal(dir.stdout.trim(), folders.root);
  });

  it("--dry-run says what would be pulled", async () => {
    const { exitCode, stdout } = await runSwarm(["pull", "org/small", "--dry-run"], env);
    assert.equal(exitCode, 0);
    assert.match(stdout, /would pull 2 files, 3\.00 MB/);
  });

  it("SWARM_HOME or --state-dir: either finds the daemon", async () => {
    const { SWARM_HOME: _, ...bare } = env;
    const { exitCode } = await runSwarm(["status", "--state-dir", folders.stateDir], bare);
    assert.equal(exitCode, 0);
    assert.equal((await runSwarm(["status"], bare)).exitCode, 8);
  });

  const codes: readonly ErrorCode[] = [
    "REPO_NOT_FOUND",
    "ACCESS_GATED",
    "INTEGRITY",
    "NO_SOURCE",
    "NO_SPACE",
    "INTERNAL",
  ];
  for (const code of codes) {
    it(`${code} ends with exit code ${exitCodeOf(code)}`, async () => {
      const { exitCode, stdout, stderr } = await runSwarm(["pull", `org/fails-${code}`], env);
      assert.deepEqual([exitCode, stdout], [exitCodeOf(code), ""]);
      assert.equal(stderr, `error: the memory node fails with ${code}\nhint: Ask for something else.\n`);
    });
  }

  it("--json: a failure is the last line", async () => {
    const { exitCode, stdout, stderr } = await runSwarm(["pull", "org/fails-NO_SPACE", "--json"], env);
    assert.deepEqual([exitCode, stderr], [7, ""]);
    assert.deepEqual(jsonLines(stdout).at(-1), {
      type: "error",
      code: "NO_SPACE",
      message: "the memory node fails with NO_SPACE",
      hint: "Ask for something else.",
    });
  });

  it("Ctrl-C stops it, says how to go on, exit code 130", async () => {
    const run = launch("swarm", ["pull", "org/endless"], env);
    await once(run.child.stderr as NodeJS.ReadableStream, "data");
    run.child.kill("SIGINT");
    const { exitCode, stdout, stderr } = await run.finished;
    assert.deepEqual([exitCode, stdout], [130, ""]);
    assert.match(stderr, /stopped\.\nWhat was fetched is kept: run the same command again to go on\.\n$/);
  });

  it("a reader that leaves is no error message", async () => {
    const run = launch("swarm", ["pull", "org/flood", "--json"], env);
    run.child.stdout?.destroy();
    const { exitCode, stderr } = await run.finished;
    assert.deepEqual([exitCode, stderr], [141, ""]);
  });

  it("many events arrive whole", async () => {
    const { stdout } = await runSwarm(["pull", "org/flood", "--json"], env);
    assert.equal(jsonLines(stdout).filter(({ type }) => type === "file").length, FLOOD_EVENTS);
  });
});

describe("the other commands", () => {
  it("ls lists repos and what is half done", async () => {
    const repos = await runSwarm(["ls"], env);
    assert.match(repos.stdout, /^org\/small +1 +3\.00 MB +.* ago +2026-01-02 03:04$/m);
    const { exitCode, stdout } = await runSwarm(["ls", "--revisions"], env);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^REPO +REVISION +FILES +SIZE +MODIFIED$/m);
    assert.match(stdout, /^org\/small +main \(0123456\) +2 +3\.00 MB +2026-01-02 03:04$/m);
    assert.match(stdout, /^org\/slow .* 10 B of 100 B$/m);
  });

  it("ls --json is one object", async () => {
    const { stdout } = await runSwarm(["ls", "--json"], env);
    assert.deepEqual(JSON.parse(stdout).revisions, [MEMORY_REVISION]);
  });

  it("ls shows what its filters mean", async () => {
    const listed = async (...args: string[]) =>
      JSON.parse((await runSwarm(["ls", "--json", ...args], env)).stdout).revisions;
    assert.equal((await listed("--filter", "size>1MB", "--filter", "accessed>7d", "--sort", "size")).length, 1);
    assert.deepEqual(await listed("--filter", "size>1GB"), []);
    assert.equal((await runSwarm(["ls", "--filter", "sise>1GB"], env)).exitCode, 2);
  });

  it("status names the process", async () => {
    const { exitCode, stdout } = await runSwarm(["status"], env);
    assert.equal(exitCode, 0);
    assert.match(stdout, new RegExp(`process ${daemon.pid}`));
    assert.equal(JSON.parse((await runSwarm(["status", "--json"], env)).stdout).pid, daemon.pid);
  });

  it("verify says so file by file", async () => {
    const { exitCode, stdout } = await runSwarm(["verify", "org/small"], env);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^✓ org\/small {2}model\.safetensors$/m);
    assert.match(stdout, /^2 files, 3\.00 MB: all whole$/m);
  });

  it("verify ends with exit code 5 if a file is damaged", async () => {
    const { exitCode, stdout, stderr } = await runSwarm(["verify", "org/damaged"], env);
    assert.equal(exitCode, 5);
    assert.match(stdout, /^✗ org\/damaged {2}model\.safetensors: sha256 differs$/m);
    assert.match(stderr, /error: 1 file in the cache is damaged/);
  });

  it("rm --dry-run removes nothing, rm --yes does", async () => {
    const dry = await runSwarm(["rm", "org/small", "--dry-run"], env);
    assert.match(dry.stdout, /would free 3\.00 MB/);
    assert.match((await runSwarm(["ls"], env)).stdout, /org\/small/);
    const real = await runSwarm(["rm", "org/small", "--yes"], env);
    assert.match(real.stdout, /freed 3\.00 MB/);
    assert.doesNotMatch((await runSwarm(["ls"], env)).stdout, /org\/small/);
  });

  it("rm of what is not there ends with exit code 3", async () => {
    assert.equal((await runSwarm(["rm", "org/other", "--yes"], env)).exitCode, 3);
  });

  it("doctor sees the daemon", async () => {
    const { exitCode, stdout } = await runSwarm(["doctor", "--json"], { ...env, HF_HUB_OFFLINE: "1" });
    const checks = jsonLines(stdout) as unknown as { name: string; state: string; detail: string }[];
    assert.equal(exitCode, 0, stdout);
    assert.match(checks.find(({ name }) => name === "daemon")?.detail ?? "", new RegExp(`process ${daemon.pid}`));
  });

  it("doctor ends with exit code 1 if a check fails, and never shows the token", async () => {
    const { exitCode, stdout } = await runSwarm(["doctor"], { ...env, HF_TOKEN: "hf_verysecret" });
    assert.equal(exitCode, 1);
    assert.match(stdout, /✗ origin .*can't be reached/);
    assert.match(stdout, /token +present/);
    assert.doesNotMatch(stdout, /hf_verysecret/);
  });

  it("a second daemon on the same state folder is told who has it", async () => {
    const { exitCode, stderr } = await launch("swarmd", ["start"], env).finished;
    assert.equal(exitCode, 1);
    assert.match(stderr, new RegExp(`swarmd start \\(process ${daemon.pid}\\) already uses the state folder`));
  });

  it("swarmd stop stops it, and says when there is none", async () => {
    const stopped = await launch("swarmd", ["stop"], env).finished;
    assert.deepEqual([stopped.exitCode, stopped.stdout], [0, `stopped (process ${daemon.pid})\n`]);
    const again = await launch("swarmd", ["stop"], env).finished;
    assert.deepEqual([again.exitCode, again.stdout], [0, "no daemon is running\n"]);
    const status = await runSwarm(["status"], env);
    assert.equal(status.exitCode, 8);
    assert.match(status.stderr, /no daemon is running.*\nhint: Start one with swarmd start/);
  });
});
