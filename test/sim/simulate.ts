/** One run: a pure function of scenario, size and seed. */
import { Dice } from "./dice.js";
import { type Figures, figuresOf } from "./figures.js";
import type { Plan, Scenario } from "./scenario.js";
import { type Outcome, World } from "./world.js";

export interface Run {
  readonly plan: Plan;
  readonly outcome: Outcome;
  readonly figures: Figures;
}

export function simulate(scenario: Scenario, nodes: number, seed: number): Run {
  const dice = new Dice(seed);
  const plan = scenario.plan(nodes, dice);
  const outcome = new World(plan, dice).run();
  return { plan, outcome, figures: figuresOf(outcome, plan) };
}
