/** `npm run sim -- <scenario> --nodes N --seed S`, or `npm run sim -- all [--seeds K]`. */
import { Dice } from "./dice.js";
import { figuresOf } from "./figures.js";
import { SCENARIOS } from "./scenarios.js";
import { World } from "./world.js";

const [name = "cold"] = process.argv.slice(2);
const value = (flag: string) => {
  const index = process.argv.indexOf(flag);
  return index === -1 ? undefined : Number(process.argv[index + 1]);
};
const nodes = value("--nodes") ?? 8;
const first = value("--seed") ?? 1;
const seeds = value("--seeds") ?? 1;
for (const scenario of SCENARIOS.filter((one) => name === "all" || one.name === name)) {
  for (let seed = first; seed < first + seeds; seed += 1) {
    const dice = new Dice(seed);
    const plan = scenario.plan(nodes, dice);
    const began = performance.now();
    const outcome = new World(plan, dice).run();
    const f = figuresOf(outcome, plan);
    const failures = outcome.nodes.filter((node) => node.failure !== undefined).map((node) => node.failure);
    console.log(
      scenario.name.padEnd(10),
      `N=${nodes} s=${seed}`,
      Object.entries(f)
        .map(([key, number]) => `${key} ${number.toFixed(4)}`)
        .join("  "),
      `| ${(performance.now() - began).toFixed(0)} ms, ${outcome.inputs} inputs, ${outcome.decisions} decisions, ${outcome.refusals} refusals, cpu ${outcome.cpuMs.toFixed(0)}`,
      [...outcome.reasons].map(([reason, count]) => `${reason}:${count}`).join(" "),
      failures.slice(0, 2).join(";"),
    );
  }
}
