// Runs every test there is and ends with `N passed, N failed`. Arguments are paths of compiled tests, to run only those.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);

function findTests(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : findTests(path);
    return entry.name.endsWith(".test.js") ? [relative(root, path)] : [];
  });
}

const ROOTS = [
  { compiled: "packages/protocol/dist", source: "packages/protocol/src" },
  { compiled: "packages/daemon/dist", source: "packages/daemon/src" },
  { compiled: "packages/cli/dist", source: "packages/cli/src" },
  { compiled: "test/dist", source: "test" },
];

/** A test whose source was deleted or moved may still lie compiled in an old checkout. */
function hasSource(file, { compiled, source }) {
  return existsSync(file.replace(compiled, source).replace(/\.js$/, ".ts"));
}

const all = () => ROOTS.flatMap((place) => findTests(place.compiled).filter((file) => hasSource(file, place)));
const files = process.argv.length > 2 ? process.argv.slice(2) : all();
const result = spawnSync(
  process.execPath,
  ["--test", "--enable-source-maps", "--test-concurrency=2", "--test-reporter=./scripts/reporter.mjs", ...files],
  { stdio: "inherit", env: { ...process.env, NODE_EXTRA_CA_CERTS: "" } },
);
process.exit(result.status ?? 1);
