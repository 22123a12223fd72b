/** curl, aria2c and Python's huggingface_hub, as they are, through the gateway: cold, warm, and with the Hub gone. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readContent, syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { startGateway, type TestGateway } from "./gateway-kit.js";

const REPO = "acme/tools";
const WEIGHTS = syntheticContent({ seed: 77, sizeBytes: 50_000_001 });
const PYTHON = process.env.SWARM_TEST_PYTHON ?? "python3";

function lacks(tool: string, ...args: readonly string[]): string | false {
  return spawnSync(tool, args).status === 0 ? false : `SKIPPED: ${tool} ${args.join(" ")} does not work here`;
}

const NO_CURL = lacks("curl", "--version");
const NO_ARIA2 = lacks("aria2c", "--version");
const NO_XET = lacks(PYTHON, "-c", "import hf_xet");
const NO_PYTHON = lacks(PYTHON, "-c", "import huggingface_hub");

describe("tools through the gateway", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;
  let folder: string;
  let bytes: Buffer;

  before(async () => {
    bytes = await readContent(WEIGHTS);
    hub = await EmbeddedHub.start({
      repos: [
        {
          name: REPO,
          files: { "config.json": '{"a":1}', "model.safetensors": { content: WEIGHTS, xetHash: "34".repeat(32) } },
        },
        { name: "acme/secret", private: true, files: { "a.txt": "secret" } },
      ],
    });
    await hub.prepare();
    gateway = await startGateway(hub);
    folder = await mkdtemp(join(tmpdir(), "swarmd-tools-"));
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = async (command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) => {
    const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const [code] = (await once(child, "close")) as [number | null];
    return { code, output };
  };

  it("huggingface_hub, the Python one, fetches by Xet what it fetches no other way", {
    skip: NO_PYTHON || NO_XET,
  }, async () => {
    // As if it were larger than 50 GB.
    const large = await startGateway(hub, {
      gateway: { host: "127.0.0.1", port: 0, token: undefined, xetFromBytes: 1_000_000 },
    });
    try {
      const env = { PATH: process.env.PATH, HOME: folder, HF_HOME: join(folder, "hf-xet"), HF_ENDPOINT: large.url };
      const script = `
from huggingface_hub import constants, file_download, snapshot_download
constants.MAX_HTTP_DOWNLOAD_SIZE = 1_000_000
def refuse(*args, **kwargs): raise SystemExit("plain HTTP was used for a large file")
plain = file_download.http_get
file_download.http_get = lambda url, *args, **kwargs: refuse() if "safetensors" in url else plain(url, *args, **kwargs)
for _ in range(2): print(snapshot_download("${REPO}"))
`;
      const { code, output } = await run(PYTHON, ["-c", script], env);
      assert.equal(code, 0, output);
      const commit = hub.getRepo(REPO).findCommit("main")?.id as string;
      const file = join(env.HF_HOME, "hub", "models--acme--tools", "snapshots", commit, "model.safetensors");
      assert.ok((await readFile(file)).equals(bytes));
    } finally {
      await large.stop();
    }
  });

  const all = (when: string) => {
    describe(when, () => {
      let url: string;
      before(() => {
        url = `${gateway.url}/${REPO}/resolve/main/model.safetensors`;
      });

      it("aria2c -x8", { skip: NO_ARIA2 }, async () => {
        const name = `aria-${when}`;
        const options = ["-x8", "-s8", "-k1M", "--file-allocation=none", "--allow-overwrite=true", "-o", name];
        const { code, output } = await run("aria2c", [...options, url]);
        assert.equal(code, 0, output);
        assert.ok((await readFile(join(folder, name))).equals(bytes));
      });

      it("curl: whole, in part, and going on", { skip: NO_CURL }, async () => {
        const whole = await run("curl", ["-sfL", "-o", "whole", url]);
        assert.equal(whole.code, 0, whole.output);
        assert.ok((await readFile(join(folder, "whole"))).equals(bytes));
        await run("curl", ["-sf", "-r", "0-29999999", "-o", "part", url]);
        const rest = await run("curl", ["-sf", "-C", "-", "-o", "part", url]);
        assert.equal(rest.code, 0, rest.output);
        assert.ok((await readFile(join(folder, "part"))).equals(bytes));
        const head = await run("curl", ["-sfI", url]);
        assert.match(head.output, /^content-length: 50000001\r$/im);
        const absent = await run("curl", ["-sf", `${gateway.url}/${REPO}/resolve/main/nix`]);
        assert.equal(absent.code, 22);
      });

      it("huggingface_hub, the Python one: snapshot_download, hf_hub_download, errors", {
        skip: NO_PYTHON,
      }, async () => {
        const env = {
          PATH: process.env.PATH,
          HOME: folder,
          HF_HOME: join(folder, `hf-${when}`),
          HF_ENDPOINT: gateway.url,
          HF_HUB_DISABLE_TELEMETRY: "1",
        };
        const script = `
from huggingface_hub import snapshot_download, hf_hub_download, file_exists, list_repo_files
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
print(snapshot_download("${REPO}"))
assert sorted(list_repo_files("${REPO}")) == ["config.json", "model.safetensors"]
try:
    hf_hub_download("${REPO}", "nothing.json")
    raise SystemExit("found what is not there")
except EntryNotFoundError:
    pass
`;
        const { code, output } = await run(PYTHON, ["-c", script], env);
        assert.equal(code, 0, output);
        const commit = hub.getRepo(REPO).findCommit("main")?.id as string;
        const snapshot = join(env.HF_HOME, "hub", "models--acme--tools", "snapshots", commit);
        assert.deepEqual((await readdir(snapshot)).sort(), ["config.json", "model.safetensors"]);
        assert.ok((await readFile(join(snapshot, "model.safetensors"))).equals(bytes));
      });
    });
  };

  all("cold");
  all("warm");
  describe("at last", () => {
    before(() => hub.faults.set([{ kind: "down" }]));
    all("gone");
  });
});
