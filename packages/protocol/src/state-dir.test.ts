import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findStateDir } from "./state-dir.js";

describe("findStateDir", () => {
  const cases = [
    { id: "nothing set", env: {}, dir: "/home/u/.local/state/swarmd" },
    { id: "SWARM_HOME wins", env: { SWARM_HOME: "/s", XDG_STATE_HOME: "/x" }, dir: "/s" },
    { id: "SWARM_HOME may be relative", env: { SWARM_HOME: "s" }, dir: "s" },
    { id: "XDG_STATE_HOME", env: { XDG_STATE_HOME: "/x/" }, dir: "/x/swarmd" },
    { id: "a relative XDG_STATE_HOME is none", env: { XDG_STATE_HOME: "x" }, dir: "/home/u/.local/state/swarmd" },
    { id: "empty is unset", env: { SWARM_HOME: "", XDG_STATE_HOME: "" }, dir: "/home/u/.local/state/swarmd" },
  ];
  for (const { id, env, dir } of cases) it(id, () => assert.equal(findStateDir(env, "/home/u"), dir));
});
