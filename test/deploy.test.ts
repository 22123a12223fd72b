/**
 * What lies in deploy/, held against the tools that will read it, where this machine has them, and against the commands that it calls.
 * A tool that is missing is named in the report: then that file went unchecked.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parsePrefetchList } from "@swarmd/protocol/api";
import { environmentFor, launch, makeFolders } from "./support/binaries.js";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const DEPLOY = join(ROOT, "deploy");
const BINARY = join(ROOT, "packages", "cli", "bin", "swarmd");

/** What a program printed and how it ended; `undefined` when this machine does not have it. */
function tryTool(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, ...env }, timeout: 60_000 });
  if ((result.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return undefined;
  if (result.error !== undefined) throw result.error;
  return result;
}

const missing = (tool: string, file: string) => `NOT CHECKED: ${file}, for want of ${tool}`;

describe("deploy/", () => {
  let scratch: string;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "swarmd-deploy-"));
  });
  after(() => rm(scratch, { recursive: true }));
  const read = (...path: readonly string[]) => readFile(join(DEPLOY, ...path), "utf8");
  const textOfAll = async () => {
    const entries = await readdir(DEPLOY, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(".md"));
    return Promise.all(files.map((entry) => readFile(join(entry.parentPath ?? entry.path, entry.name), "utf8")));
  };

  for (const [name, user] of [
    ["swarmd@.service", false],
    ["swarmd.service", true],
  ] as const) {
    it(`systemd/${name} is what systemd understands`, async (t) => {
      // The binary of this checkout, so that nothing has to be installed; a template by the name of one who uses it.
      const unit = join(scratch, name.replace("@", "@somebody"));
      await writeFile(unit, (await read("systemd", name)).replace("/usr/local/bin/swarmd", BINARY));
      const verify = (path: string) =>
        tryTool("systemd-analyze", ["verify", "--man=no", ...(user ? ["--user"] : []), path], {
          XDG_RUNTIME_DIR: scratch,
        });
      const verdict = verify(unit);
      if (verdict === undefined) return t.skip(missing("systemd-analyze", name));
      assert.equal(`${verdict.stdout}${verdict.stderr}`, "");
      assert.equal(verdict.status, 0);

      const wrong = join(scratch, `wrong-${name.replace("@", "@somebody")}`);
      await writeFile(wrong, (await readFile(unit, "utf8")).replace("RestartSec=", "RestartSecs="));
      assert.match(verify(wrong)?.stderr ?? "", /RestartSecs/, "the tool says nothing of a mistake");
    });
  }

  it("launchd/org.swarmd.swarmd.plist is a property list", async (t) => {
    const path = join(DEPLOY, "launchd", "org.swarmd.swarmd.plist");
    const lint = tryTool("plutil", ["-lint", path]);
    if (lint !== undefined) return assert.equal(lint.status, 0, lint.stdout);
    /** What it complains of; it ends well all the same. */
    const convert = (from: string, to: string) => {
      const result = tryTool("plistutil", ["-i", from, "-o", to, "-f", to.endsWith(".bin") ? "bin" : "xml"]);
      return result === undefined ? undefined : `${result.stdout}${result.stderr}`;
    };
    const binary = join(scratch, "agent.bin");
    const there = convert(path, binary);
    if (there === undefined) return t.skip(missing("plutil or plistutil", "the launchd agent"));
    assert.equal(there, "");
    const back = join(scratch, "agent.xml");
    assert.equal(convert(binary, back), "");
    const parsed = await readFile(back, "utf8");
    for (const key of ["Label", "ProgramArguments", "RunAtLoad", "KeepAlive"]) {
      assert.ok(parsed.includes(`<key>${key}</key>`), key);
    }
    const cut = join(scratch, "cut.plist");
    await writeFile(cut, (await readFile(path, "utf8")).replace("</array>", ""));
    assert.notEqual(convert(cut, join(scratch, "cut.bin")), "", "the tool says nothing of a mistake");
  });

  it("compose.yaml is what Compose understands", async (t) => {
    const folder = join(scratch, "deploy");
    await mkdir(folder);
    const config = (file: string) =>
      [["docker", "compose"], ["docker-compose"]]
        .map(([command = "", ...args]) => tryTool(command, [...args, "-f", file, "config"], { HOME: scratch }))
        // A docker without its compose does not know what is asked of it.
        .find((result) => result !== undefined && !/unknown (?:command|shorthand flag)/.test(result.stderr));
    const verdict = config(join(DEPLOY, "compose.yaml"));
    if (verdict === undefined) return t.skip(missing("docker compose", "compose.yaml"));
    assert.equal(verdict.status, 0, verdict.stderr);
    assert.match(verdict.stdout, /network_mode: host/);
    assert.ok(verdict.stdout.includes(`${scratch}/.cache/huggingface/hub`), "the cache of the user");
    const wrong = join(folder, "compose.yaml");
    await writeFile(wrong, (await read("compose.yaml")).replace("stop_grace_period", "stop_grace_perod"));
    assert.notEqual(config(wrong)?.status, 0, "the tool says nothing of a mistake");
  });

  for (const [name, container] of [
    ["daemonset.yaml", "swarmd"],
    ["prefetch-job.yaml", "prefetch"],
  ] as const) {
    it(`kubernetes/${name} has only fields that Kubernetes knows, with values of their types`, async (t) => {
      /** What the file says; and what is left of it in Kubernetes' own types. */
      const readBoth = (path: string) => {
        const raw = tryTool("kubectl", ["label", "--local", "-f", path, "-o", "json", "checked=yes"]);
        const typed = tryTool("kubectl", [
          "set",
          "env",
          "--local",
          "-f",
          path,
          "-c",
          container,
          "-o",
          "json",
          "CHECKED=yes",
        ]);
        return raw === undefined || typed === undefined ? undefined : { raw, typed };
      };
      const both = readBoth(join(DEPLOY, "kubernetes", name));
      if (both === undefined) return t.skip(missing("kubectl", name));
      assert.equal(both.raw.status, 0, both.raw.stderr);
      assert.equal(both.typed.status, 0, both.typed.stderr);
      const [raw, typed] = [JSON.parse(both.raw.stdout), JSON.parse(both.typed.stdout)];
      raw.metadata.labels.checked = undefined;
      assert.deepEqual(findLost(raw, typed), []);

      const wrong = join(scratch, name);
      await writeFile(wrong, (await read("kubernetes", name)).replace("hostNetwork:", "hostNetwrk:"));
      const mistaken = readBoth(wrong);
      const lost = findLost(JSON.parse(mistaken?.raw.stdout ?? ""), JSON.parse(mistaken?.typed.stdout ?? ""));
      assert.ok(lost.includes(".spec.template.spec.hostNetwrk"), "the check says nothing of a mistake");
    });
  }

  it("kubernetes/ is put together by kubectl, and its parts go by the same names", async (t) => {
    const built = tryTool("kubectl", ["kustomize", join(DEPLOY, "kubernetes")]);
    if (built === undefined) return t.skip(missing("kubectl", "kustomization.yaml"));
    assert.equal(built.status, 0, built.stderr);
    assert.deepEqual(
      [...built.stdout.matchAll(/^kind: (\w+)/gm)].map(([, kind]) => kind),
      ["Namespace", "ConfigMap", "ConfigMap", "DaemonSet"],
    );
    assert.match(built.stdout, /image: swarmd:0\.1\.0/);
    assert.match(built.stdout, /hostNetwork: true/);
    const defined = [...built.stdout.matchAll(/^kind: ConfigMap\nmetadata:\n {2}name: (\S+)/gm)].map(
      ([, name]) => name,
    );
    const used = `${built.stdout}${await read("kubernetes", "prefetch-job.yaml")}`;
    for (const [, name] of used.matchAll(/configMap(?:Ref)?:\n\s+name: (\S+)/g))
      assert.ok(defined.includes(name), name);
  });

  it("lists repos that can be read", async () => {
    const lists = [
      await read("models.txt"),
      (await read("kubernetes", "models.yaml")).split("models.txt: |\n")[1] ?? "",
    ];
    for (const text of lists) {
      const { pulls, problems } = parsePrefetchList(text.split("\n---")[0] as string);
      assert.deepEqual(problems, []);
      assert.equal(pulls.length, 1);
    }
  });

  it("uses only options and variables that there are", async () => {
    const folders = await makeFolders();
    const help = async (binary: "swarm" | "swarmd", ...args: readonly string[]) =>
      (await launch(binary, [...args, "--help"], environmentFor(folders, "http://127.0.0.1:1")).finished).stdout;
    const known = `${await help("swarmd", "start")}${await help("swarm", "prefetch")}${await help("swarm", "status")}`;
    await folders.remove();
    const settings = await readFile(join(ROOT, "packages", "daemon", "src", "config.ts"), "utf8");
    const used = new Set<string>();
    for (const text of await textOfAll()) {
      for (const [args] of text.matchAll(/(?:args|command|CMD|HEALTHCHECK)\b.*\[.*\]|ExecStart=.*|exec swarmd .*/g)) {
        for (const [flag] of args.matchAll(/(?<=[\s[",])--[a-z][a-z-]*/g)) {
          if (args.startsWith("HEALTHCHECK") && /^--(?:start-period|interval|timeout)$/.test(flag)) continue;
          used.add(flag);
          assert.match(known, new RegExp(`${flag}\\b`), `${flag} in ${args}`);
        }
      }
      for (const [name] of text.matchAll(/SWARM_[A-Z_]*[A-Z]/g)) {
        used.add(name);
        assert.ok(name === "SWARM_HOME" || settings.includes(`"${name}"`), name);
      }
    }
    for (const name of ["--prefetch", "--once", "--wait", "SWARM_BETWEEN", "SWARM_ORIGIN_BUDGET"])
      assert.ok(used.has(name), name);
  });

  it("builds its image from files that there are", async () => {
    const dockerfile = await read("Dockerfile");
    const copied = [...dockerfile.matchAll(/COPY --from=build ((?:\/opt\/swarmd\/\S+ )+)/g)].flatMap(([, paths = ""]) =>
      paths.trim().split(" "),
    );
    const made = new Set(["node_modules"]);
    const there = new Set(await readdir(ROOT));
    assert.ok(copied.length >= 4);
    for (const path of copied) {
      const name = path.replace("/opt/swarmd/", "");
      assert.ok(made.has(name) || there.has(name), path);
    }
    for (const name of ["swarm", "swarmd"])
      assert.ok(dockerfile.includes(`/opt/swarmd/packages/cli/bin/${name} `), name);
  });
});

/** Paths of all that one value has and the other has not, or has otherwise. */
function findLost(raw: unknown, typed: unknown, path = ""): readonly string[] {
  if (raw === undefined || JSON.stringify(raw) === JSON.stringify(typed)) return [];
  if (typeof raw !== "object" || raw === null || typeof typed !== "object" || typed === null) return [path];
  return Object.entries(raw).flatMap(([key, value]) =>
    findLost(value, (typed as Record<string, unknown>)[key], `${path}.${key}`),
  );
}
