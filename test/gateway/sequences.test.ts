/** The requests of huggingface_hub, llama.cpp, ollama and exo, one by one as they send them, and what each takes from the answer. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { readContent, syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { startGateway, type TestGateway } from "./gateway-kit.js";

const REPO = "acme/tiny-GGUF";
const XET = "12".repeat(32);
const Q4 = syntheticContent({ seed: "q4", sizeBytes: 20_000_123 });
const Q8 = syntheticContent({ seed: "q8", sizeBytes: 3_000_000 });
const MMPROJ = syntheticContent({ seed: "mm", sizeBytes: 500_000 });

const PYTHON = {
  "user-agent": "transformers/5.2.0; hf_hub/1.29.0; python/3.12.3; torch/2.9.0",
  "x-amzn-trace-id": "5d1f8a3c-7b7e-4c6e-9d41-0f6f2f9c7a11",
};
const LLAMA = { "user-agent": "llama-cpp/b7200", accept: "application/json" };

describe("request sequences", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;
  let commit: string;
  const sha = async (content: typeof Q4) =>
    createHash("sha256")
      .update(await readContent(content))
      .digest("hex");

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: [
        {
          name: REPO,
          files: {
            "config.json": "{}",
            "tiny-Q4_K_M.gguf": { content: Q4, xetHash: XET },
            "tiny-Q8_0.gguf": { content: Q8, xetHash: XET },
            "mmproj-F16.gguf": { content: MMPROJ, xetHash: XET },
          },
        },
      ],
    });
    await hub.prepare();
    commit = hub.getRepo(REPO).findCommit("main")?.id as string;
    gateway = await startGateway(hub);
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });

  const all = (when: string) => {
    describe(when, () => {
      it("huggingface_hub: snapshot_download", async () => {
        const info = (await gateway.json(`/api/models/${REPO}/revision/main`, { headers: PYTHON })) as { sha: string };
        assert.equal(info.sha, commit);
        const tree = (await gateway.json(`/api/models/${REPO}/tree/${commit}?recursive=True&expand=False`, {
          headers: PYTHON,
        })) as { path: string; size: number; lfs?: { oid: string }; xetHash?: string }[];
        // With it, 1.29 would skip the HEAD and go to Xet.
        assert.ok(tree.every((entry) => entry.xetHash === undefined));
        for (const { path, size, lfs } of tree) {
          const url = `/${REPO}/resolve/${commit}/${path}`;
          const head = await gateway.head(url, { headers: { ...PYTHON, "accept-encoding": "identity" } });
          assert.equal(head.status, 200);
          assert.equal(head.headers["x-repo-commit"], commit);
          const etag = (head.headers["x-linked-etag"] ?? head.headers.etag) as string;
          assert.match(etag.replace(/^W\/|"/g, ""), /^[0-9a-f]{40}([0-9a-f]{24})?$/);
          if (lfs !== undefined) assert.equal(etag, `"${lfs.oid}"`);
          assert.equal(Number(head.headers["x-linked-size"] ?? head.headers["content-length"]), size);
          assert.equal(head.headers["x-xet-hash"], undefined);
          // What was read before a timeout is kept, and the rest asked for.
          const begun = await gateway.get(url, { headers: PYTHON, abortAfterBytes: 1 });
          const range = `bytes=${begun.body.length}-`;
          if (begun.body.length === size) continue;
          const rest = await gateway.get(url, { headers: { ...PYTHON, range } });
          assert.equal(rest.status, 206);
          assert.equal(begun.body.length + rest.body.length, size);
          const digest = createHash("sha256").update(begun.body).update(rest.body).digest("hex");
          if (lfs !== undefined) assert.equal(digest, lfs.oid);
        }
      });

      it("huggingface_hub: a file that is not there", async () => {
        const { status, headers } = await gateway.head(`/${REPO}/resolve/main/adapter_config.json`, {
          headers: PYTHON,
        });
        assert.equal(status, 404);
        assert.equal(headers["x-error-code"], "EntryNotFound");
        assert.equal(headers["x-repo-commit"], commit);
      });

      it("llama.cpp: refs, tree, HEAD, GET, and 206 to go on", async () => {
        const refs = (await gateway.json(`/api/models/${REPO}/refs`, { headers: LLAMA })) as {
          branches: { name: string; targetCommit: string }[];
        };
        const main = refs.branches.find(({ name }) => name === "main");
        assert.equal(main?.targetCommit, commit);
        const tree = (await gateway.json(`/api/models/${REPO}/tree/${commit}?recursive=true`, { headers: LLAMA })) as {
          path: string;
          size: number;
          lfs?: { oid: string };
        }[];
        const entry = tree.find(({ path }) => path.includes("Q4_K_M"));
        const url = `/${REPO}/resolve/${commit}/${entry?.path}`;
        const head = await gateway.head(url, { headers: LLAMA });
        assert.equal(head.status, 200);
        assert.equal(head.headers["content-length"], String(entry?.size));
        assert.equal(head.headers["accept-ranges"], "bytes");
        const part = await gateway.get(url, { headers: { ...LLAMA, range: "bytes=19000000-" } });
        assert.equal(part.status, 206);
        assert.ok(part.body.equals(await readContent(Q4, 19_000_000)));
      });

      for (const { tag, file } of [
        { tag: "latest", file: "tiny-Q4_K_M.gguf" },
        { tag: "Q8_0", file: "tiny-Q8_0.gguf" },
        { tag: "q4_k_m", file: "tiny-Q4_K_M.gguf" },
      ]) {
        it(`llama.cpp of before: the manifest of ${tag}`, async () => {
          const manifest = (await gateway.json(`/v2/${REPO}/manifests/${tag}`, { headers: LLAMA })) as {
            ggufFile: { rfilename: string };
            mmprojFile: { rfilename: string };
          };
          assert.equal(manifest.ggufFile.rfilename, file);
          assert.equal(manifest.mmprojFile.rfilename, "mmproj-F16.gguf");
        });
      }

      it("ollama: manifest, config, and the model by its digest", async () => {
        const accept = "application/vnd.docker.distribution.manifest.v2+json";
        const manifest = (await gateway.json(`/v2/${REPO}/manifests/Q8_0`, {
          headers: { accept, "user-agent": "ollama/0.13.0 (amd64 linux) Go/go1.25" },
        })) as {
          config: { digest: string; size: number };
          layers: { digest: string; mediaType: string; size: number }[];
        };
        const config = await gateway.get(`/v2/${REPO}/blobs/${manifest.config.digest}`);
        assert.equal(config.body.length, manifest.config.size);
        assert.equal(`sha256:${createHash("sha256").update(config.body).digest("hex")}`, manifest.config.digest);
        const [model] = manifest.layers;
        assert.equal(model?.digest, `sha256:${await sha(Q8)}`);
        assert.equal(model?.mediaType, "application/vnd.ollama.image.model");
        const url = `/v2/${REPO}/blobs/${model?.digest}`;
        const head = await gateway.head(url);
        assert.equal(Number(head.headers["content-length"]), model?.size);
        const part = await gateway.get(url, { headers: { range: "bytes=1000000-1999999" } });
        assert.equal(part.status, 206);
        assert.ok(part.body.equals(await readContent(Q8, 1_000_000, 2_000_000)));
        assert.equal((await gateway.get(`/v2/${REPO}/manifests/Q2_K`)).status, 404);
      });

      it("exo: HEAD without redirects, then ranges", async () => {
        const url = `/${REPO}/resolve/main/tiny-Q8_0.gguf`;
        const head = await gateway.head(url);
        assert.ok(Number(head.headers["content-length"]) > 0);
        assert.equal(head.headers.etag, `"${await sha(Q8)}"`);
        const { body } = await gateway.get(url, { headers: { range: "bytes=0-" } });
        assert.ok(body.equals(await readContent(Q8)));
      });
    });
  };

  all("cold");
  all("warm");
  describe("at last", () => {
    before(async () => {
      await gateway.get(`/${REPO}/resolve/main/mmproj-F16.gguf`);
      hub.faults.set([{ kind: "down" }]);
    });
    all("with the Hub gone");
  });
});
