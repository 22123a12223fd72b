// Makes a checkout ready to run, from nothing but Node and npm: pinned pnpm, locked dependencies, a build.
// `--quiet` prints only what goes wrong; `--clients` brings the big programs that only the tests of the gateway need. Done again, it takes about a second.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const quiet = process.argv.includes("--quiet");
const CLIENTS = "@swarmd/test-clients";
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

function run(what, command, args) {
  if (!quiet) console.log(`${what} …`);
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    stdio: quiet ? "pipe" : "inherit",
    shell: process.platform === "win32",
  });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
  console.error(`\nsetup: ${what} failed (${command} ${args.join(" ")})`);
  process.exit(1);
}

/** One digest of all that decides which packages are installed. */
function lockDigest() {
  const hash = createHash("sha256");
  for (const file of ["pnpm-lock.yaml", "package.json", "pnpm-workspace.yaml"])
    hash.update(readFileSync(join(root, file)));
  return `${hash.digest("hex")} ${process.platform} ${process.arch}`;
}

const stamp = join(root, "node_modules", ".swarmd-setup");
const lean = lockDigest();
const full = `${lean} ${CLIENTS}`;
const found = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
const withClients = process.argv.includes("--clients");
if (found !== full && (withClients || found !== lean)) {
  run("installing dependencies", "npx", [
    "--yes",
    packageManager,
    "install",
    "--frozen-lockfile",
    "--reporter=append-only",
    ...(withClients ? [] : [`--filter=!${CLIENTS}`]),
  ]);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, withClients ? full : lean);
}
run("compiling", process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "--build"]);
run("bundling", process.execPath, [join(root, "packages", "cli", "bundle.mjs")]);
