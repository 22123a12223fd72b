/**
 * `npm run fuzz`: bad bytes for every decoder that takes bytes from strangers. New inputs that matter are added to the corpus; an input that
 * breaks a decoder is kept there too, so that the short run of `npm test` finds it ever after.
 */
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { keepInput, readCorpus } from "./corpus.js";
import { fuzz } from "./fuzz.js";
import { type FuzzTarget, TARGETS } from "./targets.js";

const USAGE = `usage: npm run fuzz -- [--inputs N] [--target NAME]... [--seed N] [--keep]
  --inputs N     in all, over all decoders alike (default 1000000)
  --target NAME  only this decoder: ${TARGETS.map(({ name }) => name).join(", ")}
  --seed N       another walk (default 1)
  --keep         add inputs that reach new code to the corpus`;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    target: { type: "string", multiple: true, default: [] },
    seed: { type: "string", default: "1" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** Memory is looked at between targets, after a collection where one can be asked for. */
function heapMiB(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed / 1024 ** 2;
}

function runOne(target: FuzzTarget, inputs: number): { readonly inputs: number; readonly failures: number } {
  const before = { atMs: performance.now(), heap: heapMiB() };
  const corpus = readCorpus(target.name);
  const outcome = fuzz(target, { inputs, seed: Number(values.seed), corpus, guided: true });
  const seconds = (performance.now() - before.atMs) / 1_000;
  const codes = [...outcome.codes].map(([code, count]) => `${code} ${count}`).join(", ");
  console.log(
    `${target.name.padEnd(20)} ${String(outcome.inputs).padStart(9)} inputs  ${String(Math.round(outcome.inputs / seconds)).padStart(7)}/s  ` +
      `read ${outcome.accepted}, refused ${codes || 0}  corpus ${corpus.length} + ${outcome.found.length}  ` +
      `heap ${(heapMiB() - before.heap).toFixed(1)} MiB more  failures ${outcome.failures.length}`,
  );
  if (values.keep) for (const input of outcome.found) keepInput(target.name, input);
  for (const { input, why } of outcome.failures) console.log(`  FAILED ${why}\n  ${keepInput(target.name, input)}`);
  return { inputs: outcome.inputs, failures: outcome.failures.length };
}

function main(): void {
  // Most inputs end in an error, and nobody looks at where it was thrown.
  Error.stackTraceLimit = 0;
  const chosen = TARGETS.filter(({ name }) => values.target.length === 0 || values.target.includes(name));
  const inputs = Number(values.inputs);
  if (values.help || chosen.length === 0 || !(inputs >= 1)) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const results = chosen.map((target) => runOne(target, Math.ceil(inputs / chosen.length)));
  const total = results.reduce((sum, one) => sum + one.inputs, 0);
  const failures = results.reduce((sum, one) => sum + one.failures, 0);
  console.log(`${total} inputs over ${chosen.length} decoders, ${failures} failures`);
  if (failures > 0) process.exitCode = 1;
}

main();
