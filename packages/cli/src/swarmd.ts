/** The `swarmd` binary. */
import { addStartCommand } from "./commands/start.js";
import { addStopCommand } from "./commands/stop.js";
import { createProgram, runProgram } from "./program.js";

const program = createProgram("swarmd", "The daemon behind swarm: keeps and moves AI model files.");
addStartCommand(program);
addStopCommand(program);
void runProgram(program, process.argv);
