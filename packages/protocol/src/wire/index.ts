export * from "./attestation.js";
export * from "./bitfield.js";
export * from "./codec.js";
export * from "./evidence.js";
export * from "./lanes.js";
export * from "./limits.js";
export * from "./topics.js";
export * from "./types.js";
