// The module that the xet hash tree runs: both functions, and no memory of its own.
import wabtLoader from "wabt";
import { blake3Wat } from "./blake3-wat.mjs";
import { gearWat } from "./gear-wat.mjs";

/** The binary, always the same for the same sources. */
export async function makeXetWasm() {
  const wabt = await wabtLoader();
  const text = `(module (import "env" "memory" (memory 1)) ${gearWat()} ${blake3Wat()})`;
  const module = wabt.parseWat("xet.wat", text, { simd: true });
  module.validate();
  return Buffer.from(module.toBinary({}).buffer);
}
