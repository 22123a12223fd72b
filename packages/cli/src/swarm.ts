/** The `swarm` binary. */
import { addAddCommand } from "./commands/add.js";
import { addCancelCommand } from "./commands/cancel.js";
import { addClusterCommand } from "./commands/cluster.js";
import { addDiffCommand } from "./commands/diff.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addEnvCommand } from "./commands/env.js";
import { addGcCommand } from "./commands/gc.js";
import { addHoldCommand } from "./commands/hold.js";
import { addLimitsCommand } from "./commands/limits.js";
import { addLocateCommand } from "./commands/locate.js";
import { addLsCommand } from "./commands/ls.js";
import { addManifestCommand } from "./commands/manifest.js";
import { addPeersCommand } from "./commands/peers.js";
import { addPinCommand, addUnpinCommand } from "./commands/pin.js";
import { addPrefetchCommand } from "./commands/prefetch.js";
import { addPullCommand } from "./commands/pull.js";
import { addRmCommand } from "./commands/rm.js";
import { addStatusCommand } from "./commands/status.js";
import { addUnbanCommand } from "./commands/unban.js";
import { addVerifyCommand } from "./commands/verify.js";
import { createProgram, runProgram } from "./program.js";

const program = createProgram(
  "swarm",
  "AI model files for every machine of this LAN, with one copy over the internet.",
);
for (const add of [
  addPullCommand,
  addPrefetchCommand,
  addCancelCommand,
  addAddCommand,
  addManifestCommand,
  addLocateCommand,
  addLsCommand,
  addDiffCommand,
  addRmCommand,
  addPinCommand,
  addUnpinCommand,
  addGcCommand,
  addHoldCommand,
  addVerifyCommand,
  addStatusCommand,
  addPeersCommand,
  addUnbanCommand,
  addLimitsCommand,
  addEnvCommand,
  addClusterCommand,
  addDoctorCommand,
]) {
  add(program);
}
void runProgram(program, process.argv);
