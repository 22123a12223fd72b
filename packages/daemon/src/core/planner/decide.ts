/** The chain of rules, in the order in which they are asked. The first that answers decides. */
import type { Answer, Question, Rule } from "./question.js";
import { fallBack } from "./rules/fall-back.js";
import { followHint } from "./rules/follow-hint.js";
import { followTree } from "./rules/follow-tree.js";
import { fromHolder } from "./rules/from-holder.js";
import { takeDuty } from "./rules/take-duty.js";
import { wait } from "./rules/wait.js";
import { waitForWants } from "./rules/wait-for-wants.js";

const RULES: readonly Rule[] = [fromHolder, followHint, waitForWants, takeDuty, followTree, fallBack];

export function decide(question: Question): Answer {
  for (const rule of RULES) {
    const answer = rule(question);
    if (answer !== undefined) return answer;
  }
  return wait(question);
}
