/** What the binaries use of the daemon. */

export type { Commands, Views } from "./api/ports.js";
export { type ConfigFlags, type ConfigSources, loadConfig, type NodeConfig } from "./config.js";
export { readFileIfThere } from "./config-file.js";
export { type Diagnosis, diagnose } from "./doctor.js";
export { type HostDeps, type HostedNode, hostNode, type RunningNode, type StartNode } from "./host.js";
export { runDaemon, secretsOf } from "./main.js";
export { startNode } from "./node.js";
export { createLogger, createSilentLogger, type Logger } from "./observe/logger.js";
