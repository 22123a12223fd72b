/** Tokens are planted in two daemons that work, fail and crash; then everything they wrote and said is searched for them. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  environmentFor,
  type Folders,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";

/** By the environment. */
const FIRST = "hf_plantedInTheEnvironment";
/** By a file. */
const SECOND = "hf_plantedInAFile";
const [GATED, PUBLIC] = ["acme/gated", "acme/open"];
const REPORT_MS = 20_000;

/** All files below a folder, links not followed. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** A Hub that repeats the caller's token in every error, as a careless proxy might. */
async function startEcho(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (data) => {
      const token = /authorization: (.*)\r/i.exec(data.toString("latin1"))?.[1] ?? "";
      const body = JSON.stringify({ error: `you sent ${token}` });
      socket.end(`HTTP/1.1 401 No\r\nX-Error-Message: ${token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` };
}

/** Node's own crash report: the environment, the command line, the stack. */
async function crashReport(daemon: Running, folder: string): Promise<string> {
  daemon.child.kill("SIGUSR2");
  const deadlineMs = performance.now() + REPORT_MS;
  for (;;) {
    const name = (await readdir(folder)).find((file) => file.endsWith(".json"));
    const text = name === undefined ? "" : await readFile(join(folder, name), "utf8");
    // It is written piece by piece.
    if (text.trimEnd().endsWith("}")) return text;
    if (performance.now() > deadlineMs) throw new Error("no report was written");
    await sleep(50);
  }
}

describe("tokens", () => {
  it("are in no log, error, event, report or file of a node, and never reach its peer", async () => {
    const said: string[] = [];
    const hub = await EmbeddedHub.start({
      repos: [
        {
          name: GATED,
          gated: true,
          files: { "config.json": "{}", "w.bin": syntheticContent({ seed: 1, sizeBytes: 3e6 }) },
        },
        { name: PUBLIC, files: { "w.bin": syntheticContent({ seed: 2, sizeBytes: 20e6 }) } },
      ],
      tokens: { [FIRST]: { name: "first" }, [SECOND]: { name: "second" } },
    });
    await hub.prepare();
    const echo = await startEcho();
    const [a, b] = [await makeFolders(), await makeFolders()];
    const reports = await mkdtemp(join(a.root, "reports-"));
    const daemons: Running[] = [];
    const swarm = async (args: readonly string[], env: NodeJS.ProcessEnv) => {
      const { stdout, stderr, exitCode } = await runSwarm(args, env);
      said.push(stdout, stderr);
      return { stdout, exitCode };
    };
    try {
      await writeFile(join(b.root, "token"), `${SECOND}\n`, { mode: 0o600 });
      const flags = ["--p2p-port", "0", "--lane-port", "0", "--no-mdns", "--log-level", "debug"];
      const options = `--report-on-signal --report-directory=${reports}`;
      const envA = environmentFor(a, hub.url, { HF_TOKEN: FIRST, NODE_OPTIONS: options });
      const envB = environmentFor(b, hub.url, { HF_TOKEN_PATH: join(b.root, "token") });
      daemons.push(await startDaemon(flags, envA));
      const { stdout } = await swarm(["status", "--json"], envA);
      const port = /\/tcp\/(\d+)/.exec(stdout)?.[1];
      assert.ok(port !== undefined, `no libp2p port in ${stdout}`);
      daemons.push(await startDaemon([...flags, "--peer", `127.0.0.1:${port}`], envB));

      const plain = { ...envA, NODE_OPTIONS: "" };
      for (const env of [plain, envB]) {
        for (const repo of [GATED, PUBLIC, "acme/missing"]) await swarm(["pull", repo, "--json"], env);
        for (const command of [["status"], ["peers", "--json"], ["ls", "--json"], ["doctor"], ["verify", PUBLIC]]) {
          await swarm(command, env);
        }
      }
      const { exitCode } = await swarm(["ls", "--json"], plain);
      assert.equal(exitCode, 0);
      assert.ok(hub.stats().bytesSent > 20e6, "the pulls did not work, so nothing could leak");
      // A pull of its own process, from a Hub that repeats what it is sent.
      const alone = await makeFolders();
      const failed = await swarm(["pull", PUBLIC], { ...environmentFor(alone, echo.url), HF_TOKEN: FIRST });
      assert.ok([3, 4].includes(failed.exitCode ?? 0), `it ended with ${failed.exitCode}`);
      said.push(await crashReport(daemons[0] as Running, reports));
      for (const daemon of daemons) await stopDaemon(daemon);
      said.push(...daemons.flatMap((daemon) => [daemon.stdout(), daemon.stderr()]));
      // The requests that carried the tokens are in the logs that are searched.
      for (const daemon of daemons)
        assert.match(daemon.stderr(), /"level":"debug".*"status":200,"msg":"the origin answered"/);
      await searchAll([a, b, alone], said);
      await alone.remove();
    } finally {
      for (const daemon of daemons) await stopDaemon(daemon);
      echo.server.close();
      await hub.stop();
      await Promise.all([a.remove(), b.remove()]);
    }
  });
});

async function searchAll(folders: readonly Folders[], said: readonly string[]): Promise<void> {
  for (const [index, text] of said.entries()) {
    for (const token of [FIRST, SECOND]) assert.ok(!text.includes(token), `${token} in output ${index}: ${text}`);
  }
  let files = 0;
  for (const { root } of folders) {
    for (const path of await filesBelow(root)) {
      if (path.endsWith("/token")) continue;
      files += 1;
      const bytes = await readFile(path);
      for (const token of [FIRST, SECOND]) assert.ok(!bytes.includes(token), `${token} in ${path}`);
    }
  }
  assert.ok(files > 10, "there was nothing to search");
}
