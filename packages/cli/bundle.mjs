// Bundles the two binaries, each into one file: they have to start fast, and one file loads faster than a hundred.
// CommonJS, because Node starts it without its module loader. The daemon stays outside: it is imported only when it has to run.
import { existsSync } from "node:fs";

/** What few runs need, in a file of its own: the rest starts faster without it. */
const promptsApart = {
  name: "prompts-apart",
  setup: (build) =>
    build.onResolve({ filter: /\/prompts\.js$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./prompts.bundle.cjs", external: true } : undefined,
    ),
};

/** Commander loads it to run subcommands that are programs of their own. We have none, and it takes milliseconds. */
const childProcessLater = {
  name: "child-process-later",
  setup: (build) => {
    const namespace = "later";
    build.onResolve({ filter: /^node:child_process$/ }, ({ path }) => ({ path, namespace }));
    build.onLoad({ filter: /.*/, namespace }, () => ({
      contents: 'exports.spawn = (...args) => process.getBuiltinModule("node:child_process").spawn(...args);',
    }));
  },
};

if (existsSync(new URL("./dist/swarm.js", import.meta.url))) {
  const { build } = await import("esbuild");
  await build({
    entryPoints: {
      "swarm.bundle": "dist/swarm.js",
      "swarmd.bundle": "dist/swarmd.js",
      "prompts.bundle": "dist/prompts.js",
    },
    absWorkingDir: import.meta.dirname,
    outdir: "dist",
    outExtension: { ".js": ".cjs" },
    bundle: true,
    minify: true,
    // Stack traces keep their names.
    keepNames: true,
    platform: "node",
    format: "cjs",
    target: "node20.20",
    external: ["@swarmd/daemon"],
    plugins: [promptsApart, childProcessLater],
    logLevel: "warning",
  });
}
