import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { wantsColor } from "./colors.js";

describe("wantsColor", () => {
  const cases = [
    { id: "a terminal", env: {}, isTerminal: true, want: true },
    { id: "a pipe", env: {}, isTerminal: false, want: false },
    { id: "NO_COLOR on a terminal", env: { NO_COLOR: "1" }, isTerminal: true, want: false },
    { id: "an empty NO_COLOR says nothing", env: { NO_COLOR: "" }, isTerminal: true, want: true },
    { id: "FORCE_COLOR in a pipe", env: { FORCE_COLOR: "1" }, isTerminal: false, want: true },
    { id: "FORCE_COLOR=0 on a terminal", env: { FORCE_COLOR: "0" }, isTerminal: true, want: false },
    { id: "both: no", env: { NO_COLOR: "1", FORCE_COLOR: "1" }, isTerminal: true, want: false },
    { id: "a dumb terminal", env: { TERM: "dumb" }, isTerminal: true, want: false },
  ];
  for (const { id, env, isTerminal, want } of cases) it(id, () => assert.equal(wantsColor(env, isTerminal), want));
});
