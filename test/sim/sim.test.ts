/** The reduced set of simulations: every scenario at a small size, held to the figures of the full table. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deceitsOf } from "./figures.js";
import { verdictsOf } from "./report.js";
import { SCENARIOS } from "./scenarios.js";
import { simulate } from "./simulate.js";

for (const scenario of SCENARIOS) {
  const nodes = scenario.sizes.includes(10) ? 10 : 8;
  test(`${scenario.name}, N = ${nodes}: ${scenario.about}`, () => {
    const { figures, outcome } = simulate(scenario, nodes, 1);
    for (const { target, worst, isReached } of verdictsOf({ scenario, nodes, runs: [figures] })) {
      if (target.figure === "banned") assert.ok(deceitsOf(outcome).length > 0, "nobody was lied to");
      assert.ok(isReached, `${target.figure} is ${worst}, target ${target.worst ?? target.median}`);
    }
  });
}

test("a run is a pure function of scenario and seed", () => {
  const [scenario] = SCENARIOS;
  assert.ok(scenario !== undefined);
  const [one, two] = [simulate(scenario, 4, 7), simulate(scenario, 4, 7)];
  assert.deepEqual(one.figures, two.figures);
  assert.equal(one.outcome.inputs, two.outcome.inputs);
  assert.notEqual(one.outcome.inputs, simulate(scenario, 4, 8).outcome.inputs);
});
