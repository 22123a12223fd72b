/** Holds docs/attacks.md and THREATS.md to the code: what they say was tried, a test tries. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { TARGETS } from "./fuzz/targets.js";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

interface Attack {
  readonly id: string;
  readonly tries: string;
  readonly outcome: string;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
  readonly fuzzTargets: readonly string[];
  /** What is left of the cell of tests when all that has a form is taken out. */
  readonly rest: string;
}

const TEST = /`([^`]+)` "([^"]+)"/g;
const FUZZ = /fuzz:([a-z0-9-]+)/g;
const ID = /\b[OBNLMUC]\d+\b/g;
/** A shorter name could be found by chance. */
const NAME_LENGTH_MIN = 8;

const HEAD = "| id | tries | outcome | test |";

/** Rows of the tables of attacks; there are others. */
function readAttacks(text: string): Attack[] {
  let isAttacks = false;
  return text.split("\n").flatMap((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    const [, id = "", tries = "", outcome = "", test = ""] = cells;
    if (line === HEAD || cells.length < 3) isAttacks = line === HEAD;
    if (!isAttacks || line === HEAD || /^-+$/.test(id)) return [];
    assert.equal(cells.length, 6, `a row of ${cells.length - 2} cells: ${line}`);
    const tests = [...test.matchAll(TEST)].map(([, file = "", name = ""]) => ({ file, name }));
    const fuzzTargets = [...test.matchAll(FUZZ)].map(([, name = ""]) => name);
    return [{ id, tries, outcome, tests, fuzzTargets, rest: test.replace(TEST, "").replace(FUZZ, "") }];
  });
}

/** A name stands in a file as it is written there: whole, or the part of a template that is no variable. */
function check({ id, tests, fuzzTargets, rest }: Attack): string[] {
  const wrong = rest.replace(/[;,\s]/g, "") === "" ? [] : [`${id}: what is “${rest}”?`];
  if (tests.length + fuzzTargets.length === 0) wrong.push(`${id}: no test`);
  for (const { file, name } of tests) {
    if (!file.endsWith(".test.ts") || !existsSync(join(ROOT, file))) wrong.push(`${id}: there is no test file ${file}`);
    else if (name.length < NAME_LENGTH_MIN || !read(file).includes(name)) wrong.push(`${id}: ${file} has no “${name}”`);
  }
  for (const name of fuzzTargets) {
    if (!TARGETS.some((target) => target.name === name)) wrong.push(`${id}: there is no fuzz target ${name}`);
  }
  return wrong;
}

describe("the table of attacks", () => {
  const attacks = readAttacks(read("docs/attacks.md"));

  it("names tests that exist, for each attack", () => {
    assert.ok(attacks.length >= 55, `${attacks.length} rows were read`);
    assert.deepEqual(attacks.flatMap(check), []);
    for (const { id, tries, outcome } of attacks) assert.ok(tries !== "" && outcome !== "", id);
  });

  it("has each id once, and THREATS.md speaks of each and of no other", () => {
    const ids = attacks.map(({ id }) => id);
    assert.deepEqual(
      ids.filter((id, index) => ids.indexOf(id) !== index || !/^[OBNLMUC]\d+$/.test(id)),
      [],
    );
    const spoken = new Set(read("THREATS.md").match(ID));
    assert.deepEqual([...spoken].sort(), [...ids].sort());
  });

  it("covers every decoder that is fuzzed", () => {
    const covered = new Set(attacks.flatMap(({ fuzzTargets }) => fuzzTargets));
    assert.deepEqual(
      TARGETS.map(({ name }) => name).filter((name) => !covered.has(name)),
      [],
    );
  });

  it("would notice a test that is gone, a name that changed and a target that is none", () => {
    const row = (test: string) => readAttacks(`${HEAD}\n| L1 | a | b | ${test} |`).flatMap(check).length;
    assert.equal(row('`test/attacks.test.ts` "has each id once"'), 0);
    assert.equal(row('`test/gone.test.ts` "has each id once"'), 1);
    assert.equal(row('`test/architecture.test.ts` "a name that nobody gave"'), 1);
    assert.equal(row("fuzz:nothing"), 1);
    assert.equal(row("see above"), 2);
  });
});

describe("what was fetched", () => {
  const sources = readdirSync(join(ROOT, "packages"), { recursive: true, encoding: "utf8" })
    .filter((path) => /^[^/]+\/src\/.*(?<!\.test)\.ts$/.test(path))
    .map((path) => join("packages", path));

  it("is never run: no source of the daemon runs or loads what it fetched", () => {
    assert.ok(sources.length > 200, `${sources.length} sources were read`);
    const runs = /\beval\(|new Function\(|["']node:vm["']|\bimport\((?!["'])|\brequire\((?!["'])/;
    assert.deepEqual(
      sources.filter((path) => runs.test(read(path).replace(/^\s*(\*|\/\/).*$/gm, ""))),
      [],
    );
  });
});
