/** What the binaries use of the daemon. */
export { type ConfigFlags, type ConfigSources, loadConfig, type NodeConfig } from "./config.js";
export { type HostDeps, type HostedNode, hostNode, type RunningNode, type StartNode } from "./host.js";
export { readFileIfThere, runDaemon, secretsOf } from "./main.js";
export { createLogger, createSilentLogger, type Logger } from "./observe/logger.js";
