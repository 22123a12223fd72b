import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SwarmError } from "@swarmd/protocol";
import fc from "fast-check";
import { parseTreePage } from "./hub-tree.js";

const SHA1 = "1".repeat(40);
const SHA256 = "2".repeat(64);
const small = { type: "file", path: "config.json", size: 7, oid: SHA1 };
const large = { type: "file", path: "w.bin", size: 9, oid: SHA1, lfs: { oid: SHA256, size: 9, pointerSize: 1 } };

describe("parseTreePage", () => {
  it("a small file is named by git sha1, a large one by sha256", () =>
    assert.deepEqual(parseTreePage([{ type: "directory", path: "d", oid: SHA1, size: 0 }, small, large]), {
      files: [
        { path: "config.json", sizeBytes: 7, blob: `git-sha1:${SHA1}` },
        { path: "w.bin", sizeBytes: 9, blob: `sha256:${SHA256}` },
      ],
      isHidden: false,
    }));

  it("a xet hash is passed on if it is one", () => {
    const { files } = parseTreePage([
      { ...large, xetHash: "3".repeat(64) },
      { ...large, path: "v.bin", xetHash: "***" },
    ]);
    assert.deepEqual(
      files.map((file) => file.xetHash),
      ["3".repeat(64), undefined],
    );
  });

  it("asterisks for a hash mean that the gate is closed", () =>
    assert.equal(parseTreePage([small, { ...large, lfs: { oid: "*".repeat(64), size: 9 } }]).isHidden, true));

  const malformed: { id: string; json: unknown }[] = [
    { id: "no list", json: { error: "x" } },
    { id: "an entry that is no object", json: [1] },
    { id: "no path", json: [{ ...small, path: undefined }] },
    { id: "an empty path", json: [{ ...small, path: "" }] },
    { id: "no size", json: [{ ...small, size: undefined }] },
    { id: "a negative size", json: [{ ...small, size: -1 }] },
    { id: "a size that is no whole number", json: [{ ...small, size: 1.5 }] },
    { id: "no oid", json: [{ ...small, oid: undefined }] },
    { id: "an upper-case sha1", json: [{ ...small, oid: "A".repeat(40) }] },
    { id: "a short sha256", json: [{ ...large, lfs: { oid: "2".repeat(63), size: 9 } }] },
    { id: "some asterisks", json: [{ ...large, lfs: { oid: "*".repeat(63), size: 9 } }] },
  ];
  for (const { id, json } of malformed) {
    it(`refuses ${id}`, () => assert.throws(() => parseTreePage(json), { code: "ORIGIN_FAULT" }));
  }

  it("answers any JSON with files or an ORIGIN_FAULT", () =>
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        try {
          parseTreePage(json);
        } catch (error) {
          assert.ok(error instanceof SwarmError && error.code === "ORIGIN_FAULT");
        }
      }),
    ));
});
