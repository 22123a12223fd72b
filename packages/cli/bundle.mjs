// Bundles the two binaries, each into one file: they have to start fast, and one file loads faster than a hundred.
// CommonJS, because Node starts it without its module loader. The node itself is a third file, with a code cache: see bin/daemon.cjs.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, relative } from "node:path";

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

/** The node is loaded when it has to run. */
const daemonApart = {
  name: "daemon-apart",
  setup: (build) => {
    const namespace = "daemon";
    build.onResolve({ filter: /^@swarmd\/daemon$/ }, ({ path }) => ({ path, namespace }));
    build.onResolve({ filter: /^\.\.\/bin\/daemon\.cjs$/, namespace }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /.*/, namespace }, () => ({ contents: 'module.exports = require("../bin/daemon.cjs");' }));
  },
};

/** Threads have files of their own, beside the module that starts them: `daemonUrl` is where the package's index is. */
function moduleUrls(folder) {
  return {
    name: "module-urls",
    setup: (build) =>
      build.onLoad({ filter: /\.js$/ }, async ({ path }) => {
        const at = relative(folder, path);
        if (at.startsWith("..") || at.includes("node_modules")) return undefined;
        const url = `new URL(${JSON.stringify(at.replaceAll("\\", "/"))}, daemonUrl).href`;
        return { contents: (await readFile(path, "utf8")).replaceAll("import.meta.url", url) };
      }),
  };
}

const EXERCISE_MS = 60_000;

async function bundleDaemon(build, cache) {
  // V8 tells another file by its length only, so the old cache goes first.
  rmSync(cache, { force: true });
  const index = createRequire(import.meta.url).resolve("@swarmd/daemon");
  await build({
    entryPoints: { "daemon.bundle": index },
    absWorkingDir: import.meta.dirname,
    outdir: "dist",
    outExtension: { ".js": ".cjs" },
    bundle: true,
    keepNames: true,
    platform: "node",
    format: "cjs",
    target: "node20.20",
    charset: "ascii",
    // What these import is native, or finds its own files.
    external: ["koffi", "@napi-rs/blake-hash"],
    supported: { "dynamic-import": false },
    plugins: [moduleUrls(dirname(index))],
    logLevel: "warning",
  });
  const exercise = new URL("../../test/dist/support/exercise.js", import.meta.url);
  const args = ["bin/daemon.cjs", ...(existsSync(exercise) ? [exercise.href] : [])];
  // Without it the node runs as well, only slower: nothing that goes wrong here may hold up a build.
  spawnSync(process.execPath, args, { cwd: import.meta.dirname, stdio: "inherit", timeout: EXERCISE_MS });
}

if (existsSync(new URL("./dist/swarm.js", import.meta.url))) {
  const { build } = await import("esbuild");
  await bundleDaemon(build, new URL("./dist/daemon.bundle.cjs.cache", import.meta.url));
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
    plugins: [promptsApart, childProcessLater, daemonApart],
    logLevel: "warning",
  });
}
