// Bundles the `swarm` command into one file: it has to start fast, and one file loads faster than a hundred.
import { existsSync } from "node:fs";

if (existsSync(new URL("./dist/swarm.js", import.meta.url))) {
  const { build } = await import("esbuild");
  await build({
    entryPoints: ["dist/swarm.js"],
    absWorkingDir: import.meta.dirname,
    bundle: true,
    outfile: "dist/swarm.bundle.js",
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["@swarmd/daemon"],
    logLevel: "warning",
  });
}
