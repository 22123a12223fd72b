export * from "./bitfield.js";
export * from "./cluster-codec.js";
export * from "./cluster-types.js";
export * from "./codec.js";
export * from "./lanes.js";
export * from "./limits.js";
export * from "./topics.js";
export * from "./types.js";
