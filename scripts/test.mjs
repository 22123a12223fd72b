// Runs every test there is and ends with `N passed, N failed`. Arguments are paths of compiled tests, to run only those.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
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

const roots = ["packages/protocol/dist", "packages/daemon/dist", "packages/cli/dist", "test/dist"];
const files = process.argv.length > 2 ? process.argv.slice(2) : roots.flatMap(findTests);
const result = spawnSync(
  process.execPath,
  ["--test", "--enable-source-maps", "--test-concurrency=2", "--test-reporter=./scripts/reporter.mjs", ...files],
  { stdio: "inherit", env: { ...process.env, NODE_EXTRA_CA_CERTS: "" } },
);
process.exit(result.status ?? 1);
