// Bundles the two binaries, each into one file: they have to start fast, and one file loads faster than a hundred.
// CommonJS, because Node starts it without its module loader. The daemon stays outside: it is imported only when it has to run.
import { existsSync } from "node:fs";

if (existsSync(new URL("./dist/swarm.js", import.meta.url))) {
  const { build } = await import("esbuild");
  await build({
    entryPoints: { "swarm.bundle": "dist/swarm.js", "swarmd.bundle": "dist/swarmd.js" },
    absWorkingDir: import.meta.dirname,
    outdir: "dist",
    outExtension: { ".js": ".cjs" },
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20.20",
    external: ["@swarmd/daemon"],
    logLevel: "warning",
  });
}
