/** Pulls that nobody waits for, by real processes: the daemon, the commands, and a Hub that counts what it sends. */
import assert from "node:assert/strict";
import { chmod, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { BackgroundStatus, NodeStatus } from "@swarmd/protocol/api";
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
import { assertCacheIsSound } from "../support/cache-checks.js";
import { daemonClient } from "../support/daemon-client.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { until as untilWithin } from "../support/swarm-kit.js";

const UPLINK_BYTES_PER_SECOND = 20_000_000;
const BIG_BYTES = 60_000_000;
const OTHER_BYTES = 20_000_000;
/** What connections that are cut may still have had on their way: buffers of the kernel and of the Hub. */
const ON_ITS_WAY_BYTES = 8_000_000;
/** A busy machine takes its time. */
const DEADLINE_MS = 90_000;
const NEVER = new AbortController().signal;

const until = (what: string, isTrue: () => boolean | Promise<boolean>) => untilWithin(what, isTrue, DEADLINE_MS);

/** A time zone where it is this hour now, or the next before a test is over: no test meets midnight. */
function zoneAt(hour: number): string {
  const ahead = hour - new Date().getUTCHours();
  return `Etc/GMT${ahead < 0 ? "+" : "-"}${Math.abs(ahead)}`;
}

const model = (seed: number, sizeBytes: number) => {
  return { "config.json": "{}", "model.safetensors": syntheticContent({ seed, sizeBytes }) };
};

describe("pulls in the background", () => {
  let hub: EmbeddedHub;
  let place: Folders;
  let env: NodeJS.ProcessEnv;
  let daemon: Running | undefined;

  beforeEach(async () => {
    hub = await EmbeddedHub.start({
      repos: [
        { name: "acme/big", files: model(70, BIG_BYTES) },
        { name: "acme/other", files: model(71, OTHER_BYTES) },
        { name: "acme/a", files: model(72, 1_000_000) },
        { name: "acme/b", files: model(73, 1_000_000) },
        { name: "acme/c", files: model(74, 1_000_000) },
      ],
      uplinkBytesPerSecond: UPLINK_BYTES_PER_SECOND,
    });
    await hub.prepare();
    place = await makeFolders();
    env = environmentFor(place, hub.url, { TZ: zoneAt(12) });
  });
  afterEach(async () => {
    if (daemon !== undefined) await stopDaemon(daemon);
    daemon = undefined;
    await hub.stop();
    await place.remove();
  });

  const start = async (...args: readonly string[]) => {
    daemon = await startDaemon(["--no-peer", ...args], env);
    return daemon;
  };
  const status = (): Promise<NodeStatus> => daemonClient(place.stateDir).status(undefined, { signal: NEVER });
  const background = async (): Promise<BackgroundStatus> => (await status()).background;
  const jobOf = async (target: string) => (await background()).jobs.find((job) => job.target === target);
  const sent = (repo: string) => hub.stats().files[`${repo}/model.safetensors`]?.bytesSent ?? 0;
  const sentTwice = (repo: string) => hub.stats().files[`${repo}/model.safetensors`]?.bytesSentTwice ?? 0;
  const isDone = (target: string) => async () => (await jobOf(target))?.state === "done";
  const has = async (repo: string) => {
    const found = await readdir(join(place.cacheDir, `models--${repo.replace("/", "--")}`, "refs")).catch(() => []);
    return found.length > 0;
  };
  /** What the daemon wrote down of its background, oldest first. */
  const story = async () => {
    return jsonLines(await readFile(join(place.stateDir, "events.jsonl"), "utf8"));
  };
  const swarm = async (...args: readonly string[]) => {
    const { exitCode, stdout, stderr } = await runSwarm(args, env);
    return { exitCode, stdout, stderr };
  };

  it("are ordered in a moment, outlive kill -9, and say how far they are", async () => {
    await start();
    const ordered = await swarm("pull", "acme/big", "--background");
    assert.equal(ordered.exitCode, 0, ordered.stderr);
    assert.match(ordered.stdout, /^in the background: acme\/big, job 1, running/);
    await until("a good part has come", () => sent("acme/big") > BIG_BYTES / 2);
    const shown = await swarm("status");
    assert.match(shown.stdout, /no pulls\n\nBACKGROUND\n1 {2}acme\/big +\d+% {2}running/);
    assert.match(shown.stdout, /today +from the origin \d+(?:\.\d+)? MB in the background, 0 B for who waited\n/);
    daemon?.child.kill("SIGKILL");
    await daemon?.finished;

    await start();
    await until("it is here", isDone("acme/big"));
    assert.ok(await has("acme/big"));
    await assertCacheIsSound(place.cacheDir);
    assert.ok(sentTwice("acme/big") <= ON_ITS_WAY_BYTES, `${sentTwice("acme/big")} bytes came twice`);
    await stopDaemon(daemon as Running);
    await start();
    assert.deepEqual((await background()).jobs, []);
    const { originToday } = await background();
    assert.ok(originToday.backgroundBytes >= BIG_BYTES * 0.6, "what came before the restart counts");
  });

  it("make way at once for a pull that somebody waits for, and go on after it", async (t) => {
    await start();
    await swarm("pull", "acme/big", "--background");
    await until("it has begun", () => sent("acme/big") > 5_000_000);
    const pulling = launch("swarm", ["pull", "acme/other", "--json"], env);
    await until("somebody waits", () => hub.log().some(({ url }) => url.includes("acme/other")));
    const [before, requests] = [sent("acme/big"), hub.log().length];
    const pulled = await pulling.finished;
    assert.equal(pulled.exitCode, 0, pulled.stderr);
    const meanwhile = sent("acme/big") - before;
    t.diagnostic(`${(meanwhile / 1e6).toFixed(1)} MB of the other came while ${OTHER_BYTES / 1e6} MB were waited for`);
    assert.ok(meanwhile <= ON_ITS_WAY_BYTES, `${meanwhile} bytes of what nobody waits for`);
    const asked = hub.log().slice(requests);
    assert.deepEqual(
      asked.filter(({ url }) => url.includes("acme/big")).map(({ url }) => url),
      [],
      "nothing new was asked for",
    );
    assert.match((await swarm("status")).stdout, /makes way for a pull that somebody waits for|running/);
    await until("the other is here, too", isDone("acme/big"));
    assert.ok(sentTwice("acme/big") <= ON_ITS_WAY_BYTES, `${sentTwice("acme/big")} bytes came twice`);
    await assertCacheIsSound(place.cacheDir);
    const all = await story();
    const said = all.filter(({ type }) => type === "background").map(({ action, why }) => why ?? action);
    assert.deepEqual(said, ["added", "began", "yields", "began", "done"]);
    // Not one fetch was decided on between the word that somebody waits and the word that nobody does.
    const [from, to] = [
      all.findIndex(({ why }) => why === "yields"),
      all.findLastIndex(({ action }) => action === "began"),
    ];
    const decidedFor = (events: typeof all) => events.filter(({ type }) => type === "decision").map(({ blob }) => blob);
    const ofBig = new Set(decidedFor(all.slice(0, from)));
    assert.ok(ofBig.size > 0);
    const meantime = decidedFor(all.slice(from, to));
    assert.ok(meantime.length > 0, "the one who waited was served");
    assert.deepEqual(
      meantime.filter((blob) => ofBig.has(blob)),
      [],
    );
  });

  it("make way for a reader of the gateway", async () => {
    await start();
    await swarm("pull", "acme/big", "--background");
    await until("it has begun", () => sent("acme/big") > 5_000_000);
    const { gateway } = await status();
    const answer = await fetch(`${gateway}/acme/other/resolve/main/model.safetensors`);
    const reader = answer.body?.getReader();
    let read = (await reader?.read())?.value?.length ?? 0;
    const before = sent("acme/big");
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) read += part.value.length;
    assert.equal(read, OTHER_BYTES);
    assert.ok(sent("acme/big") - before <= ON_ITS_WAY_BYTES, `${sent("acme/big") - before} bytes of the other`);
    await until("the other is here, too", isDone("acme/big"));
  });

  it("of a repo that somebody comes to wait for are taken over: nothing is fetched twice", async (t) => {
    await start();
    await swarm("pull", "acme/big", "--background");
    await until("it has begun", () => sent("acme/big") > 10_000_000);
    const pulled = await swarm("pull", "acme/big", "--json");
    assert.equal(pulled.exitCode, 0, pulled.stderr);
    await until("there is nothing left to do", isDone("acme/big"));
    t.diagnostic(`${(sentTwice("acme/big") / 1e6).toFixed(1)} of ${BIG_BYTES / 1e6} MB came twice`);
    assert.ok(sentTwice("acme/big") <= ON_ITS_WAY_BYTES, `${sentTwice("acme/big")} bytes came twice`);
    await assertCacheIsSound(place.cacheDir);
  });

  it("can be cancelled: what was fetched stays, and no restart brings it back", async () => {
    await start();
    await swarm("pull", "acme/big", "--background");
    await until("a good part has come", () => sent("acme/big") > BIG_BYTES / 2);
    const cancelled = await swarm("cancel", "acme/big");
    assert.equal(cancelled.stdout, "cancelled: acme/big, job 1\n");
    const before = sent("acme/big");
    assert.equal((await swarm("cancel", "acme/big")).exitCode, 3);
    await stopDaemon(daemon as Running);
    await start();
    assert.deepEqual((await background()).jobs, []);
    assert.ok(sent("acme/big") - before <= ON_ITS_WAY_BYTES);
    const pulled = await swarm("pull", "acme/big", "--json");
    assert.equal(pulled.exitCode, 0, pulled.stderr);
    assert.ok(sentTwice("acme/big") <= ON_ITS_WAY_BYTES, `${sentTwice("acme/big")} bytes came twice`);
  });

  it("stop when the day's budget is used up, over restarts; who waits is served", async (t) => {
    const budget = 30_000_000;
    await start("--origin-budget", "30MB");
    await swarm("pull", "acme/big", "--background");
    await until("the budget is used up", async () => (await jobOf("acme/big"))?.reason === "budget");
    const { originToday } = await background();
    t.diagnostic(`counted ${originToday.backgroundBytes} of ${budget} bytes; the Hub sent ${sent("acme/big")}`);
    assert.ok(originToday.backgroundBytes >= budget && originToday.backgroundBytes < budget + 4_000_000);
    assert.ok(sent("acme/big") < budget + ON_ITS_WAY_BYTES);
    assert.match((await swarm("status")).stdout, /the day's budget is used up until 00:00/);
    assert.equal((await swarm("pull", "acme/a", "--quiet")).exitCode, 0);
    await stopDaemon(daemon as Running);

    await start("--origin-budget", "30MB");
    assert.equal((await jobOf("acme/big"))?.reason, "budget");
    assert.ok((await background()).originToday.foregroundBytes >= 1_000_000, "who waited is counted, too");
    const before = sent("acme/big");
    await stopDaemon(daemon as Running);
    assert.equal(sent("acme/big"), before);

    await start("--origin-budget", "1GB");
    await until("it is here", isDone("acme/big"));
    assert.ok(sentTwice("acme/big") <= ON_ITS_WAY_BYTES, `${sentTwice("acme/big")} bytes came twice`);
  });

  it("keep to their hours", async () => {
    await start();
    const ordered = await swarm("pull", "acme/a", "--background", "--between", "14-16");
    assert.equal(ordered.exitCode, 0, ordered.stderr);
    assert.match(ordered.stdout, /acme\/a, job 1, outside its hours \(14:00-16:00\) until 14:00/);
    await stopDaemon(daemon as Running);
    assert.equal(sent("acme/a"), 0);
    env = { ...env, TZ: zoneAt(14) };
    await start();
    await until("it is here", isDone("acme/a"));
  });

  it("of a list are had, and a change of the file is acted on", async () => {
    const list = join(place.root, "models.txt");
    await writeFile(list, "acme/a # the first\n");
    await start();
    const given = await swarm("prefetch", list);
    assert.equal(given.exitCode, 0, given.stderr);
    assert.match(given.stdout, /models\.txt: 1 repos to be had, now and as the list changes\n1 {2}acme\/a/);
    await until("the first is here", () => has("acme/a"));

    await writeFile(`${list}.new`, "acme/a\nacme/b\n");
    const renamedMs = performance.now();
    await rename(`${list}.new`, list);
    await until("the change was seen", async () => (await jobOf("acme/b")) !== undefined);
    assert.ok(performance.now() - renamedMs < 5_000);
    await until("the second is here", () => has("acme/b"));

    await writeFile(list, "acme/b\nnot/a/repo\n");
    await until("the mistake was seen", async () => ((await background()).lists[0]?.problems.length ?? 0) > 0);
    const shown = await swarm("prefetch", "--list");
    assert.match(shown.stdout, /models\.txt: 1 of 1 are here\n {2}line 2: /);
    assert.ok(await has("acme/a"), "what is taken out of the list stays in the cache");

    await rm(list);
    await stopDaemon(daemon as Running);
    await start();
    assert.match((await swarm("prefetch", "--list")).stdout, /the file is not there/);
    await writeFile(list, "acme/c\n");
    await until("the third is here", () => has("acme/c"));

    const stopped = await swarm("prefetch", "--stop", list);
    assert.equal(stopped.exitCode, 0, stopped.stderr);
    assert.equal((await swarm("prefetch", "--list")).stdout.split("\n")[0], "no lists");
    assert.equal((await swarm("prefetch", "--stop", list)).exitCode, 3);
  });

  it("of a list that the daemon was given begin by themselves", async () => {
    const list = join(place.root, "models.txt");
    await writeFile(list, "acme/a\nacme/b --include config.json\n");
    await start("--prefetch", list);
    await until("both are here", async () => (await isDone("acme/a")()) && (await isDone("acme/b")()));
    assert.equal(sent("acme/b"), 0, "only what was asked for");
    assert.equal((await swarm("prefetch", "--stop", list)).exitCode, 2);
  });

  it("of a list can be waited for: the exit code tells", async () => {
    const list = join(place.root, "models.txt");
    await writeFile(list, "acme/a\nacme/b\n");
    // Without a daemon, by a node of its own.
    const alone = await swarm("prefetch", list, "--once", "--wait");
    assert.equal(alone.exitCode, 0, alone.stderr);
    assert.match(alone.stderr, /no daemon is running/);
    assert.match(alone.stdout, /acme\/a: done\n[\s\S]*acme\/b: done\nall 2 are here\n$/);
    await start();
    assert.deepEqual((await background()).jobs, []);

    await writeFile(list, "acme/none\nacme/c\n");
    const waited = await swarm("prefetch", list, "--once", "--wait", "--json");
    assert.equal(waited.exitCode, 3, waited.stdout);
    const lines = jsonLines(waited.stdout);
    assert.equal(lines.at(-1)?.type, "error");
    assert.equal(lines.at(-1)?.code, "REPO_NOT_FOUND");
    assert.ok(await has("acme/c"), "the others are had");
  });

  it("are refused with a word on what is wrong", async () => {
    const list = join(place.root, "models.txt");
    await writeFile(list, "acme/a\n\nacme/b extra\n");
    const closed = join(place.root, "closed.txt");
    await writeFile(closed, "acme/a\n");
    await chmod(closed, 0);
    const noDaemon = await swarm("pull", "acme/a", "--background");
    assert.equal(noDaemon.exitCode, 8);
    assert.match(noDaemon.stderr, /no daemon is running[\s\S]*swarmd start/);
    assert.equal((await swarm("prefetch", list)).exitCode, 8);
    await start();
    const rows: readonly (readonly [args: readonly string[], exitCode: number, says: RegExp])[] = [
      [
        ["pull", "acme/a", "--between", "22:00-06:00"],
        2,
        /--between is for pulls that nobody waits for\nhint: Add --background/,
      ],
      [
        ["pull", "acme/a", "--background", "--between", "22-25"],
        2,
        /--between: no hours of the day: "22-25"\nhint: Write them as 22:00-06:00/,
      ],
      [["pull", "acme/a", "--background", "--between", "6-6"], 2, /begin where they end/],
      [["pull", "acme/a", "--background", "--dry-run"], 2, /--dry-run moves nothing/],
      [["prefetch"], 2, /no file named/],
      [["prefetch", join(place.root, "none.txt")], 3, /there is no file .*none\.txt/],
      [["prefetch", place.root], 2, /it is a folder/],
      [["prefetch", list], 2, /models\.txt:3: neither --include nor --exclude: "extra"/],
      [["prefetch", list, "--between", "soon"], 2, /--between: no hours of the day/],
      [["prefetch", "--list", list], 2, /--list takes no file/],
      [["prefetch", list, "--stop", "--once"], 2, /cannot be used with/],
      [["cancel", "99"], 3, /nothing in the background goes by 99/],
    ];
    for (const [args, exitCode, says] of rows) {
      const run = await swarm(...args);
      assert.equal(run.exitCode, exitCode, `${args.join(" ")}: ${run.stderr}`);
      assert.match(run.stderr, says);
    }
    if (process.getuid?.() !== 0) assert.match((await swarm("prefetch", closed)).stderr, /may not read it/);
    for (const args of [
      ["--origin-budget", "much"],
      ["--between", "25-3"],
      ["--origin-budget", "0"],
    ]) {
      const wrong = await launch("swarmd", ["start", "--state-dir", join(place.root, "x"), ...args], env).finished;
      assert.equal(wrong.exitCode, 2, wrong.stderr);
      assert.ok(wrong.stderr.includes(args[0] as string), wrong.stderr);
    }
  });
});
