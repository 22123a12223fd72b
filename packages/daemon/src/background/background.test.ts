import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type DayHours, parseDayHours, SwarmError } from "@swarmd/protocol";
import type { PullRequest, WatchEvent } from "@swarmd/protocol/api";
import { makeLocalClock } from "../core/policy/background/local-clock.js";
import { CALM_MS, PEERS_AGAIN_MS } from "../core/policy/background/plan-background.js";
import { createSilentLogger } from "../observe/logger.js";
import { Attention } from "./attention.js";
import { Background } from "./background.js";
import { JobBook } from "./job-book.js";
import { OriginUseBook } from "./origin-use-book.js";
import type { Records } from "./ports.js";

/** A pull that goes on until the test ends it, or until it is aborted. */
interface FakePull {
  readonly target: string;
  readonly fromOrigin: boolean;
  readonly isAborted: () => boolean;
  finish(error?: SwarmError): Promise<void>;
}

class MemoryRecords implements Records {
  text: string | undefined;
  isFull = false;
  writes = 0;
  async read() {
    return this.text;
  }
  async write(text: string) {
    if (this.isFull) throw new SwarmError("NO_SPACE", "the disk is full");
    this.text = text;
    this.writes += 1;
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));
const NEVER = new AbortController().signal;

class World {
  nowMs = 1_000_000;
  wallMs = Date.parse("2026-11-21T12:00:00Z");
  hasPeers = false;
  readonly orders = new MemoryRecords();
  readonly uses = new MemoryRecords();
  readonly pulls: FakePull[] = [];
  readonly events: Record<string, unknown>[] = [];
  attention = new Attention(() => this.nowMs);
  background!: Background;

  async start({
    budgetBytes,
    hours,
    lists = [],
  }: {
    readonly budgetBytes?: number;
    readonly hours?: DayHours;
    readonly lists?: readonly string[];
  } = {}): Promise<void> {
    this.attention = new Attention(() => this.nowMs);
    this.background = new Background(
      { hours, lists, tickMs: 3_600_000 },
      {
        pulls: { run: (request, options) => this.#run(request, options) },
        attention: this.attention,
        use: new OriginUseBook({ budgetBytes }, { records: this.uses }),
        book: new JobBook(this.orders),
        localTime: makeLocalClock("Europe/Berlin"),
        hasPeers: () => this.hasPeers,
        clocks: { nowMs: () => this.nowMs, wallMs: () => this.wallMs },
        events: { emit: (event) => this.events.push(event) },
        logger: createSilentLogger(),
      },
    );
    await this.background.start();
    await this.background.tick();
  }

  /** The wall's clock moves to this instant; the other by so much at least as calm takes. */
  async at(instant: string): Promise<void> {
    this.wallMs = Date.parse(instant);
    await this.later(CALM_MS);
  }

  async later(ms: number): Promise<void> {
    this.nowMs += ms;
    await this.background.tick();
    await settle();
  }

  /** The pull that runs now. */
  running(): FakePull | undefined {
    return this.pulls.find((pull) => !pull.isAborted() && !this.#ended.has(pull));
  }

  /** What each job is doing. */
  get says(): readonly string[] {
    return this.background.status.jobs.map(({ target, state, reason, until }) =>
      [target, state, reason, until].filter((word) => word !== null).join(" "),
    );
  }

  readonly #ended = new Set<FakePull>();

  #run(request: PullRequest, { fromOrigin, signal }: { readonly fromOrigin: boolean; readonly signal: AbortSignal }) {
    return new Promise<void>((resolve, reject) => {
      const pull: FakePull = {
        target: request.target,
        fromOrigin,
        isAborted: () => signal.aborted,
        finish: async (error) => {
          this.#ended.add(pull);
          if (error === undefined) resolve();
          else reject(error);
          await settle();
        },
      };
      signal.addEventListener("abort", () => reject(new SwarmError("INTERRUPTED", "stopped")));
      this.pulls.push(pull);
    });
  }
}

const add = (world: World, target: string, between?: string) =>
  world.background.add({ pull: { target }, ...(between === undefined ? {} : { between }) });

describe("the background", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.background.stop());

  it("runs one pull after the other, in the order in which they were asked for", async () => {
    await world.start();
    await add(world, "org/a");
    await add(world, "org/b");
    assert.deepEqual(world.says, ["org/a running", "org/b waiting turn"]);
    await world.running()?.finish();
    assert.deepEqual(world.says, ["org/a done", "org/b running"]);
    await world.running()?.finish();
    assert.deepEqual(world.says, ["org/a done", "org/b done"]);
    assert.equal(world.running(), undefined);
  });

  it("has stopped before the one who waits is told to go on, and comes back when it is calm", async () => {
    await world.start();
    await add(world, "org/a");
    const first = world.running();
    const leave = world.attention.wait();
    // No turn of the event loop in between.
    assert.equal(first?.isAborted(), true);
    assert.deepEqual(world.says, ["org/a waiting yields"]);
    const other = world.attention.wait();
    leave();
    leave();
    await world.later(CALM_MS * 10);
    assert.equal(world.running(), undefined, "somebody else waits still");
    other();
    await world.later(CALM_MS - 1);
    assert.equal(world.running(), undefined);
    await world.later(1);
    assert.equal(world.running()?.target, "org/a");
    assert.equal(world.pulls.length, 2);
  });

  it("begins nothing while somebody waits", async () => {
    await world.start();
    const leave = world.attention.wait();
    await add(world, "org/a");
    assert.deepEqual(world.says, ["org/a waiting yields"]);
    assert.equal(world.pulls.length, 0);
    leave();
  });

  it("keeps to its hours, over midnight", async () => {
    await world.start();
    await world.at("2026-11-21T20:59:59Z");
    await add(world, "org/a", "22:00-06:00");
    assert.deepEqual(world.says, ["org/a waiting hours 22:00"]);
    await world.at("2026-11-21T21:00:00Z");
    assert.deepEqual(world.says, ["org/a running"]);
    await world.at("2026-11-22T04:59:59Z");
    assert.deepEqual(world.says, ["org/a running"]);
    await world.at("2026-11-22T05:00:00Z");
    assert.deepEqual(world.says, ["org/a waiting hours 22:00"]);
    assert.equal(world.pulls[0]?.isAborted(), true);
  });

  it("follows a clock that is set, forward and back", async () => {
    await world.start({ hours: parseDayHours("22:00-06:00") });
    await add(world, "org/a");
    await world.at("2026-11-22T02:00:00Z");
    assert.deepEqual(world.says, ["org/a running"]);
    await world.at("2026-11-21T15:00:00Z");
    assert.deepEqual(world.says, ["org/a waiting hours 22:00"]);
    await world.at("2031-01-01T22:30:00Z");
    assert.deepEqual(world.says, ["org/a running"]);
  });

  it("lets what may run go before what may not", async () => {
    await world.start();
    await add(world, "org/night", "22:00-06:00");
    await add(world, "org/day", "06:00-22:00");
    assert.deepEqual(world.says, ["org/night waiting hours 22:00", "org/day running"]);
  });

  it("has stopped before the chunk that used up the budget is handed on; midnight gives a new one", async () => {
    await world.start({ budgetBytes: 100 });
    await add(world, "org/a");
    world.background.noteOrigin(60, true);
    world.background.noteOrigin(39, false);
    assert.equal(world.running()?.target, "org/a");
    const first = world.running();
    world.background.noteOrigin(7, true);
    assert.equal(first?.isAborted(), true);
    assert.deepEqual(world.says, ["org/a waiting budget 00:00"]);
    await world.at("2026-11-21T22:59:59Z");
    assert.deepEqual(world.says, ["org/a waiting budget 00:00"]);
    assert.deepEqual(world.background.status.originToday, {
      day: "2026-11-21",
      backgroundBytes: 67,
      foregroundBytes: 39,
      budgetBytes: 100,
    });
    await world.at("2026-11-21T23:00:00Z");
    assert.deepEqual(world.says, ["org/a running"]);
    assert.equal(world.background.status.originToday.day, "2026-11-22");
    assert.equal(world.background.status.originToday.backgroundBytes, 0);
  });

  it("remembers over a restart what the day has cost", async () => {
    await world.start({ budgetBytes: 100 });
    await add(world, "org/a");
    world.background.noteOrigin(100, true);
    await world.background.stop();
    await world.start({ budgetBytes: 100 });
    assert.deepEqual(world.says, ["org/a waiting budget 00:00"]);
    await world.background.stop();
    world.uses.text = "{ not JSON";
    await world.start({ budgetBytes: 100 });
    assert.deepEqual(world.says, ["org/a running"]);
  });

  it("goes on from peers when the budget is used up, and tries them again when they lack something", async () => {
    world.hasPeers = true;
    await world.start({ budgetBytes: 100 });
    await add(world, "org/a");
    assert.equal(world.running()?.fromOrigin, true);
    world.background.noteOrigin(100, true);
    await settle();
    assert.deepEqual(world.says, ["org/a running"]);
    assert.equal(world.running()?.fromOrigin, false);
    await world.running()?.finish(new SwarmError("NO_SOURCE", "no peer has it"));
    assert.deepEqual(world.says, ["org/a waiting budget 00:00"]);
    await world.later(PEERS_AGAIN_MS);
    assert.equal(world.running()?.fromOrigin, false);
    await world.running()?.finish(new SwarmError("NO_SOURCE", "no peer has it"));
    await world.at("2026-11-21T23:00:00Z");
    assert.equal(world.running()?.fromOrigin, true);
  });

  it("tries again what may do better, later each time, and leaves to people what may not", async () => {
    await world.start();
    await add(world, "org/down");
    await add(world, "org/none");
    await world.running()?.finish(new SwarmError("ORIGIN_UNREACHABLE", "no network"));
    await world.running()?.finish(new SwarmError("REPO_NOT_FOUND", "no such repo"));
    assert.deepEqual(world.says, ["org/down waiting retry", "org/none failed"]);
    await world.later(29_999);
    assert.equal(world.running(), undefined);
    await world.later(1);
    assert.equal(world.running()?.target, "org/down");
    await world.running()?.finish(new SwarmError("ORIGIN_UNREACHABLE", "no network"));
    await world.later(59_999);
    assert.equal(world.running(), undefined);
    await world.later(1);
    assert.equal(world.running()?.target, "org/down");
    assert.equal(world.background.status.jobs[1]?.error?.code, "REPO_NOT_FOUND");
    await add(world, "org/none");
    assert.deepEqual(world.says, ["org/down running", "org/none waiting turn"]);
  });

  it("takes the same order once", async () => {
    await world.start();
    const [first, second] = [await add(world, "org/a"), await add(world, "org/a", "22:00-06:00")];
    assert.equal(first.id, second.id);
    assert.equal(second.between, "22:00-06:00");
    assert.deepEqual(world.says, ["org/a waiting hours 22:00"]);
  });

  it("goes on after a restart with what is not done, under the same numbers", async () => {
    await world.start();
    await world.background.add({ pull: { target: "org/a", include: ["*.gguf"] } });
    await add(world, "org/b", "01:00-02:00");
    await add(world, "org/c");
    const ids = world.background.status.jobs.map(({ id }) => id);
    await world.running()?.finish();
    await world.background.stop();
    assert.equal(world.running(), undefined);
    await world.start();
    assert.deepEqual(world.says, ["org/b waiting hours 01:00", "org/c running"]);
    assert.deepEqual(
      world.background.status.jobs.map(({ id }) => id),
      ids.slice(1),
    );
    assert.ok((await add(world, "org/d")).id > Math.max(...ids));
  });

  it("refuses what it can't write down", async () => {
    await world.start();
    world.orders.isFull = true;
    await assert.rejects(add(world, "org/a"), { code: "NO_SPACE" });
    assert.deepEqual(world.says, []);
    world.orders.isFull = false;
    await add(world, "org/a");
    world.orders.isFull = true;
    await assert.rejects(world.background.cancel({ target: "org/a" }), { code: "NO_SPACE" });
    assert.deepEqual(world.says, ["org/a running"]);
  });

  it("leaves out what makes no sense in the file of orders", async () => {
    world.orders.text = JSON.stringify({
      lastId: 7,
      jobs: [{ id: 3, pull: { target: "org/a" } }, { id: 4, pull: { target: "../x" } }, { id: "5" }, null],
      lists: [{ path: "relative" }, 3],
    });
    await world.start();
    assert.deepEqual(world.says, ["org/a running"]);
    assert.equal((await add(world, "org/b")).id, 8);
  });

  it("cancels by name and by number, at once", async () => {
    await world.start();
    const { id } = await add(world, "org/a");
    await add(world, "org/b@v1");
    const running = world.running();
    await world.background.cancel({ target: String(id) });
    assert.equal(running?.isAborted(), true);
    await settle();
    assert.deepEqual(world.says, ["org/b@v1 running"]);
    await world.background.cancel({ target: "org/b@v1" });
    assert.deepEqual(world.says, []);
    await assert.rejects(world.background.cancel({ target: "org/b@v1" }), { code: "REPO_NOT_FOUND" });
    await world.background.stop();
    await world.start();
    assert.deepEqual(world.says, []);
  });

  it("tells who watches what becomes of it", async () => {
    await world.start();
    const ids = [(await add(world, "org/a")).id, (await add(world, "org/b")).id, (await add(world, "org/c")).id];
    const seen: WatchEvent[] = [];
    const watched = world.background.watch({ jobs: ids }, (event) => seen.push(event), NEVER);
    await world.running()?.finish();
    await world.running()?.finish(new SwarmError("ACCESS_GATED", "ask for access"));
    await world.background.cancel({ target: "org/c" });
    await watched;
    assert.deepEqual(
      seen.map((event) => (event.type === "job" ? `${event.job.target} ${event.job.state}` : event)),
      [
        "org/a running",
        "org/b waiting",
        "org/c waiting",
        "org/a done",
        "org/b running",
        "org/b failed",
        "org/c running",
        { type: "finished", done: 1, failed: 1, cancelled: 1 },
      ],
    );
  });

  it("tells who watches that the node stops", async () => {
    await world.start();
    const { id } = await add(world, "org/a");
    const watched = world.background.watch({ jobs: [id] }, () => undefined, NEVER);
    void world.background.stop();
    await assert.rejects(watched, { code: "INTERRUPTED" });
  });
});

describe("a list of repos", () => {
  let world: World;
  let folder: string;
  let path: string;
  beforeEach(async () => {
    world = new World();
    folder = await mkdtemp(join(tmpdir(), "swarmd-list-"));
    path = join(folder, "models.txt");
  });
  afterEach(async () => {
    await world.background.stop();
    await rm(folder, { recursive: true });
  });
  const change = async (text: string) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
    await world.background.tick();
    await settle();
  };
  const problems = () => world.background.status.lists[0]?.problems;

  it("is had in its order; what is added is fetched, what is taken out is broken off", async () => {
    await writeFile(path, "org/a\norg/b\n");
    await world.start();
    await world.background.prefetch({ path });
    assert.deepEqual(world.says, ["org/a running", "org/b waiting turn"]);
    await change("org/b\norg/c\n");
    assert.deepEqual(world.says, ["org/b running", "org/c waiting turn"]);
    assert.equal(world.pulls[0]?.isAborted(), true);
    await world.running()?.finish();
    await change("org/b\norg/c\norg/d\n");
    assert.deepEqual(world.says, ["org/b done", "org/c running", "org/d waiting turn"]);
  });

  it("may be written in place", async () => {
    await writeFile(path, "org/a\n");
    await world.start();
    await world.background.prefetch({ path });
    await writeFile(path, "org/b # instead\n");
    await world.background.tick();
    await settle();
    assert.deepEqual(world.says, ["org/b running"]);
  });

  it("may vanish: what it named goes on, and the status says so; when it is back it counts again", async () => {
    await writeFile(path, "org/a\n");
    await world.start();
    await world.background.prefetch({ path });
    await rm(path);
    await world.background.tick();
    assert.deepEqual(world.says, ["org/a running"]);
    assert.match(problems()?.[0]?.message ?? "", /the file is not there/);
    await change("org/b\n");
    assert.deepEqual(world.says, ["org/b running"]);
    assert.deepEqual(problems(), []);
  });

  it("with a line that is wrong is refused when it is given, by the number of the line", async () => {
    await writeFile(path, "org/a\n\nnot a repo\n");
    await world.start();
    await assert.rejects(world.background.prefetch({ path }), (error: SwarmError) => {
      assert.equal(error.code, "USAGE");
      assert.match(error.message, /models\.txt:3: /);
      return true;
    });
    assert.deepEqual(world.background.status.lists, []);
  });

  it("with a line that becomes wrong goes on with the others, and says which it is", async () => {
    await writeFile(path, "org/a\n");
    await world.start();
    await world.background.prefetch({ path });
    await change("org/a\norg/b --include\norg/c\n");
    assert.deepEqual(world.says, ["org/a running", "org/c waiting turn"]);
    assert.deepEqual(
      problems()?.map(({ line }) => line),
      [2],
    );
  });

  it("is remembered over a restart, with its hours", async () => {
    await writeFile(path, "org/a\n");
    await world.start();
    await world.background.prefetch({ path, between: "22:00-06:00" });
    await world.background.stop();
    await world.start();
    assert.deepEqual(world.says, ["org/a waiting hours 22:00"]);
    await world.background.stopPrefetch({ path });
    assert.deepEqual(world.says, []);
    await world.background.stop();
    await world.start();
    assert.deepEqual(world.says, []);
    await assert.rejects(world.background.stopPrefetch({ path }), { code: "FILE_NOT_FOUND" });
  });

  it("given to swarmd start need not be there yet, and can't be stopped from outside", async () => {
    await world.start({ lists: [path] });
    assert.match(problems()?.[0]?.message ?? "", /the file is not there/);
    await change("org/a\n");
    assert.deepEqual(world.says, ["org/a running"]);
    await assert.rejects(world.background.stopPrefetch({ path }), { code: "USAGE" });
    await assert.rejects(world.background.cancel({ target: "org/a" }), { code: "USAGE" });
    await world.background.stop();
    await world.start();
    assert.deepEqual(world.background.status.lists, []);
  });

  it("can be had once: then it is not watched, and its repos are orders like others", async () => {
    await writeFile(path, "org/a\norg/b\n");
    await world.start();
    const { jobs } = await world.background.prefetch({ path, once: true });
    assert.equal(jobs.length, 2);
    await change("org/c\n");
    assert.deepEqual(world.says, ["org/a running", "org/b waiting turn"]);
    assert.deepEqual(world.background.status.lists, []);
  });

  it("of ten thousand repos is written down at once, and not repo by repo", async () => {
    await writeFile(path, Array.from({ length: 10_000 }, (_, i) => `org/m${i}\n`).join(""));
    await world.start();
    const { jobs } = await world.background.prefetch({ path, once: true });
    assert.equal(jobs.length, 10_000);
    assert.equal(world.orders.writes, 1);
    await world.background.stop();
    await world.start();
    assert.equal(world.background.status.jobs.length, 10_000);
    assert.equal(world.running()?.target, "org/m0");
  });

  it("given again looks again at what is done or failed", async () => {
    await writeFile(path, "org/a\norg/b\n");
    await world.start();
    await world.background.prefetch({ path });
    await world.running()?.finish();
    await world.running()?.finish(new SwarmError("ACCESS_GATED", "ask for access"));
    assert.deepEqual(world.says, ["org/a done", "org/b failed"]);
    await world.background.prefetch({ path });
    assert.deepEqual(world.says, ["org/a running", "org/b waiting turn"]);
  });

  const unreadable: readonly (readonly [what: string, path: string, code: string, says: RegExp])[] = [
    ["is not there", "/no/such/file", "FILE_NOT_FOUND", /there is no file \/no\/such\/file/],
    ["is a folder", tmpdir(), "USAGE", /it is a folder/],
    ["is a device", "/dev/zero", "USAGE", /it is no file/],
  ];
  for (const [what, wrong, code, says] of unreadable) {
    it(`that ${what} is refused`, async () => {
      await world.start();
      await assert.rejects(world.background.prefetch({ path: wrong }), (error: SwarmError) => {
        assert.equal(error.code, code);
        assert.match(error.message, says);
        return true;
      });
    });
  }
});
