import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { VERSION } from "@swarmd/protocol";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

describe("the version", () => {
  const folders = ["", ...readdirSync(join(ROOT, "packages")).map((name) => join("packages", name))];
  for (const folder of folders) {
    it(`of ${folder || "the workspace"} is what --version says`, () => {
      assert.equal(JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")).version, VERSION);
    });
  }
});
