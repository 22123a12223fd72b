import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CommitId, parseNodeId, parseRepoSpec } from "@swarmd/protocol";
import type { ShelfEntry, ShelfNews } from "@swarmd/protocol/wire";
import { OwnShelf } from "./own-shelf.js";
import { Whereabouts } from "./whereabouts.js";
import { parseWhereabouts } from "./whereabouts-file.js";

const [ANN, BEN] = [parseNodeId("ann"), parseNodeId("ben")];
const DAY_MS = 24 * 3_600_000;

function entry(name: string, digit = "1"): ShelfEntry {
  const { repo } = parseRepoSpec(name);
  return { repo, commit: digit.repeat(40) as CommitId, files: 1, bytes: 10, publication: undefined };
}

function news(sequence: number, more: Partial<ShelfNews> = {}): ShelfNews {
  return { epoch: 100, sequence, isFull: false, entries: [], gone: [], ...more };
}

function make(text?: string) {
  const clock = { nowMs: 1_000 * DAY_MS };
  const records = {
    text,
    read: async () => records.text,
    write: async (written: string) => {
      records.text = written;
    },
  };
  const onFault = (error: unknown) => assert.fail(String(error));
  const whereabouts = new Whereabouts({ records, wallMs: () => clock.nowMs, onFault });
  const who = (name: string) =>
    whereabouts
      .holders(parseRepoSpec(name).repo)
      .map(({ node, isUp, entry: { commit } }) => `${node} ${commit[0]} ${isUp ? "up" : "away"}`);
  return { clock, records, whereabouts, who };
}

describe("Whereabouts", () => {
  it("knows what each node said that it has, as long as it has it", () => {
    const { whereabouts, who } = make();
    whereabouts.up(ANN);
    whereabouts.heard(ANN, news(1, { isFull: true, entries: [entry("a/x"), entry("a/x", "2"), entry("a/xy")] }));
    assert.deepEqual(who("a/x"), ["ann 1 up", "ann 2 up"]);
    whereabouts.heard(ANN, news(2, { entries: [entry("b/y")], gone: [entry("a/x")] }));
    assert.deepEqual(who("a/x"), ["ann 2 up"]);
    assert.deepEqual(who("b/y"), ["ann 1 up"]);
    whereabouts.heard(ANN, news(3, { isFull: true, entries: [entry("b/y")] }));
    assert.deepEqual(who("a/x"), []);
    whereabouts.down(ANN);
    assert.deepEqual(who("b/y"), ["ann 1 away"]);
  });

  it("loses nothing when news by gossip overtake the full list on its stream", () => {
    const { whereabouts, who } = make();
    whereabouts.heard(ANN, news(2, { entries: [entry("a/new")] }));
    whereabouts.heard(ANN, news(1, { isFull: true, entries: [entry("a/old")] }));
    assert.deepEqual([who("a/new").length, who("a/old").length], [1, 1]);
    whereabouts.heard(ANN, news(1, { isFull: true, entries: [] }));
    assert.equal(who("a/old").length, 1, "the same list again");
  });

  it("takes no old news, and none of an earlier run of the node", () => {
    const { whereabouts, who } = make();
    whereabouts.heard(ANN, news(5, { entries: [entry("a/x")] }));
    whereabouts.heard(ANN, news(4, { gone: [entry("a/x")] }));
    assert.equal(who("a/x").length, 1);
    whereabouts.heard(ANN, news(1, { epoch: 200, entries: [entry("a/z")] }));
    assert.deepEqual([who("a/x").length, who("a/z").length], [0, 1]);
    whereabouts.heard(ANN, news(9, { entries: [entry("a/x")] }));
    assert.equal(who("a/x").length, 0);
  });

  it("remembers over restarts, away until a node is met again, and for a month", async () => {
    const first = make();
    first.whereabouts.up(ANN);
    first.whereabouts.heard(ANN, news(1, { isFull: true, entries: [entry("a/x")] }));
    first.whereabouts.register("nas", "a/x");
    await first.whereabouts.stop();
    const again = make(first.records.text);
    await again.whereabouts.start();
    assert.deepEqual(again.who("a/x"), ["ann 1 away"]);
    assert.deepEqual(
      again.whereabouts.registered(parseRepoSpec("a/x").repo).map(({ node }) => node),
      ["nas"],
    );
    again.whereabouts.up(ANN);
    again.whereabouts.heard(ANN, news(1, { epoch: 50, isFull: true, entries: [] }));
    assert.deepEqual(again.who("a/x"), [], "the new run counts, whatever its clock says");
    const late = make(first.records.text);
    late.clock.nowMs += 31 * DAY_MS;
    await late.whereabouts.start();
    assert.deepEqual(late.who("a/x"), []);
  });

  it("starts empty with a file that makes no sense", async () => {
    for (const text of ["", "{", "null", '{"version":1,"nodes":[["ann",1,["!!"]]]}', '{"version":2}']) {
      const { whereabouts, who } = make(text);
      await whereabouts.start();
      assert.deepEqual(who("a/x"), []);
    }
  });

  it("is not filled up by nodes that say too much: who is there stays", async () => {
    const { whereabouts, who, records } = make();
    whereabouts.up(BEN);
    whereabouts.heard(BEN, news(1, { isFull: true, entries: [entry("ben/own")] }));
    for (let node = 0; node < 20; node += 1) {
      for (let part = 0; part < 40; part += 1) {
        const entries = Array.from({ length: 128 }, (_, i) => entry(`n${node}/m${part}-${i}`));
        whereabouts.heard(parseNodeId(`n${node}`), news(part + 1, { entries }));
      }
    }
    assert.deepEqual(who("ben/own"), ["ben 1 up"]);
    assert.equal(who("n19/m0-0").length, 1, "the last one that spoke");
    assert.equal(who("n0/m0-0").length, 0, "the first one");
    await whereabouts.stop();
    const { shelves } = parseWhereabouts(records.text);
    const sizes = [...shelves.values()].map(({ entries }) => entries.length);
    assert.ok(Math.max(...sizes) <= 4_096);
    assert.ok(sizes.reduce((sum, one) => sum + one, 0) <= 65_536);
  });
});

describe("OwnShelf", () => {
  function shelf(mayTell: (entry: ShelfEntry) => boolean = () => true) {
    const announced: ShelfNews[] = [];
    const told: ShelfNews[] = [];
    const network = {
      announce: (one: ShelfNews) => void announced.push(one),
      tell: (_: unknown, all: readonly ShelfNews[]) => void told.push(...all),
    };
    return { announced, told, own: new OwnShelf({ epoch: 7, mayTell, network }) };
  }

  it("tells what came and went, and everything to who is met", () => {
    const { own, announced, told } = shelf();
    own.update([entry("a/x"), entry("a/y")]);
    own.update([entry("a/y"), entry("a/z")]);
    own.update([entry("a/z"), entry("a/y")]);
    assert.deepEqual(
      announced.map(({ isFull, entries, gone }) => [
        isFull,
        entries.map(({ repo }) => repo.name),
        gone.map(({ repo }) => repo.name),
      ]),
      [
        [false, ["a/x", "a/y"], []],
        [false, ["a/z"], ["a/x"]],
      ],
    );
    own.meet(ANN);
    assert.deepEqual(
      told.map(({ isFull, entries }) => [isFull, entries.length]),
      [[true, 2]],
    );
    assert.ok(told[0] !== undefined && announced[1] !== undefined && told[0].sequence > announced[1].sequence);
  });

  it("tells a long list in parts that fit", () => {
    const { own, told } = shelf();
    own.update(Array.from({ length: 300 }, (_, i) => entry(`a/m${i}`)));
    own.meet(ANN);
    assert.deepEqual(
      told.map(({ isFull, entries }) => [isFull, entries.length]),
      [
        [true, 128],
        [false, 128],
        [false, 44],
      ],
    );
    const { whereabouts, who } = make();
    for (const one of told) whereabouts.heard(ANN, one);
    assert.deepEqual([who("a/m0").length, who("a/m299").length], [1, 1]);
  });

  it("tells nothing that those who hear it now must not know", () => {
    let place = "c1";
    const { own, announced, told } = shelf(() => place === "c1");
    own.update([entry("a/x")]);
    place = "open";
    own.meet(ANN);
    own.update([]);
    assert.equal(announced.length, 1);
    assert.deepEqual(
      told.flatMap(({ entries }) => entries),
      [],
    );
  });
});
