import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { walkFolder } from "./walk-folder.js";

const { signal } = new AbortController();
let root = "";

async function make(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, name, path, ".."), { recursive: true });
    await writeFile(join(root, name, path), text);
  }
  await mkdir(join(root, name), { recursive: true });
  return join(root, name);
}

describe("walkFolder", () => {
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "swarmd-walk-"));
  });
  after(() => rm(root, { recursive: true, force: true }));

  it("finds every file below a folder, sorted, and leaves out what tools leave behind", async () => {
    const folder = await make("tidy", {
      "b/model.safetensors": "xyz",
      "a.json": "",
      "b/.DS_Store": "x",
      ".git/config": "x",
      ".cache/huggingface/x": "x",
      ".gitattributes": "y",
    });
    const found = await walkFolder(folder, { signal });
    assert.deepEqual(
      found.map(({ path, sizeBytes }) => `${path} ${sizeBytes}`),
      [".gitattributes 1", "a.json 0", "b/model.safetensors 3"],
    );
  });

  it("takes one file as a repo of one file", async () => {
    const folder = await make("one", { "model.gguf": "12345" });
    const found = await walkFolder(join(folder, "model.gguf"), { signal });
    assert.deepEqual(found, [{ path: "model.gguf", source: join(folder, "model.gguf"), sizeBytes: 5 }]);
  });

  it("refuses links, wherever they lead and wherever they stand", async () => {
    const folder = await make("links", { "real.json": "x" });
    await symlink(join(folder, "real.json"), join(root, "to-file"));
    await symlink(folder, join(root, "to-folder"));
    for (const path of [join(root, "to-file"), join(root, "to-folder")]) {
      await assert.rejects(walkFolder(path, { signal }), { code: "USAGE", message: `${path} is a link` });
    }
    await symlink("real.json", join(folder, "inside"));
    await assert.rejects(walkFolder(folder, { signal }), {
      code: "USAGE",
      message: `${join(folder, "inside")} is a link`,
    });
    await rm(join(folder, "inside"));
    await symlink("/", join(folder, "loop"));
    await assert.rejects(walkFolder(folder, { signal }), {
      code: "USAGE",
      message: `${join(folder, "loop")} is a link`,
    });
  });

  it("refuses what is neither file nor folder, is not there, or has nothing in it", async () => {
    const folder = await make("sockets", { "a.json": "x" });
    const server = createServer().listen(join(folder, "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    await assert.rejects(walkFolder(folder, { signal }), { code: "USAGE", message: /neither a file nor a folder/ });
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(walkFolder("/dev/null", { signal }), {
      code: "USAGE",
      message: /neither a file nor a folder/,
    });
    await assert.rejects(walkFolder(join(root, "nowhere"), { signal }), { code: "USAGE", message: /^there is no / });
    await assert.rejects(walkFolder(join(folder, "a.json", "below"), { signal }), {
      code: "USAGE",
      message: /^there is no /,
    });
    const empty = await make("empty/only/folders", {});
    await assert.rejects(walkFolder(join(empty, "..", ".."), { signal }), { code: "USAGE", message: /holds no file/ });
  });

  it("says what it may not read", { skip: process.getuid?.() === 0 ? "root may read everything" : false }, async () => {
    const folder = await make("closed", { "in/a.json": "x" });
    await chmod(join(folder, "in"), 0);
    await assert.rejects(walkFolder(folder, { signal }), { code: "USAGE", message: /can't be read \(EACCES\)/ });
    await chmod(join(folder, "in"), 0o755);
  });

  it("stops when it is told to", async () => {
    const folder = await make("stopped", { "a.json": "x" });
    await assert.rejects(walkFolder(folder, { signal: AbortSignal.abort() }), { code: "INTERRUPTED" });
  });

  it("has an end: depth and number of files are bounded", async () => {
    const deep = join(await make("deep", {}), ...Array.from({ length: 70 }, () => "d"));
    await mkdir(deep, { recursive: true });
    await writeFile(join(deep, "x"), "");
    await assert.rejects(walkFolder(join(root, "deep"), { signal }), { code: "USAGE", message: /64 folders deep/ });
    const many = await make("many", {});
    await Promise.all(Array.from({ length: 30 }, (_, i) => writeFile(join(many, String(i)), "")));
    await assert.rejects(walkFolder(many, { signal, filesMax: 29 }), { code: "USAGE", message: /more than 29 files/ });
    assert.equal((await walkFolder(many, { signal, filesMax: 30 })).length, 30);
  });
});
