export * from "./client.js";
export * from "./cluster-types.js";
export * from "./face-types.js";
export * from "./requests.js";
export * from "./routes.js";
export * from "./targets.js";
export * from "./types.js";
