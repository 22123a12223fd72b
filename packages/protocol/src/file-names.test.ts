import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkFileNames, type FileNameRules } from "./file-names.js";

const CASE: FileNameRules = { isCaseInsensitive: true };
const WINDOWS: FileNameRules = { isWindows: true };

describe("names that are fine", () => {
  for (const { id, paths, rules } of [
    { id: "no files at all", paths: [] },
    {
      id: "a repo as they are",
      paths: ["README.md", ".gitattributes", "onnx/model.onnx", "model-00001-of-00002.safetensors"],
    },
    { id: "dots inside of names", paths: ["..a", "a..b", "...b/c", "v1.0/x"] },
    { id: "other scripts, spaces and emoji", paths: ["模型/权重 1.bin", "é.txt", "🤗.md"] },
    {
      id: "names in which a reserved word is only a part",
      paths: ["console.log", "nullable", "auxiliary/con2", "com10"],
    },
    { id: "times with colons, where Windows is far", paths: ["results_2024-01-10T12:34:56.json"] },
    { id: "case twins where case counts", paths: ["a.txt", "A.txt"] },
    { id: "a folder beside a file whose name goes on", paths: ["a", "a.d/b", "ab/c"] },
    { id: "one folder in two spellings, where case does not count", paths: ["Data/a", "data/b"], rules: CASE },
    { id: "a segment of 255 bytes", paths: [`${"é".repeat(127)}x`] },
  ] as { id: string; paths: string[]; rules?: FileNameRules }[]) {
    test(id, () => checkFileNames(paths, rules));
  }
});

describe("names that are refused", () => {
  for (const { id, paths, rules, says } of [
    { id: "a climb", paths: ["../x"], says: /"\.\."/ },
    { id: "a climb midway", paths: ["a/../../x"], says: /"\.\."/ },
    { id: "a climb at the end", paths: ["a/.."], says: /"\.\."/ },
    { id: "the folder itself", paths: ["./x"], says: /"\."/ },
    { id: "an absolute path", paths: ["/etc/passwd"], says: /absolute/ },
    { id: "a drive", paths: ["C:/x"], says: /absolute/ },
    { id: "a drive-relative path", paths: ["c:x"], says: /absolute/ },
    { id: "nothing", paths: [""], says: /empty/ },
    { id: "an empty part", paths: ["a//b"], says: /empty/ },
    { id: "a folder", paths: ["a/"], says: /empty/ },
    { id: "a backslash", paths: ["..\\x"], says: /backslash/ },
    { id: "NUL", paths: ["a\0.txt"], says: /control/ },
    { id: "a line feed", paths: ["a\nb"], says: /control/ },
    { id: "half a surrogate pair", paths: ["a\ud800"], says: /Unicode/ },
    { id: "a segment of 256 bytes", paths: ["é".repeat(128)], says: /255 bytes/ },
    { id: "a path without end", paths: [Array(2000).fill("ab").join("/")], says: /3072 bytes/ },
    { id: "a Windows device", paths: ["NUL"], says: /reserves/ },
    { id: "a Windows device with an extension, in a folder", paths: ["a/con.txt"], says: /reserves/ },
    { id: "a trailing dot", paths: ["a./b"], says: /dot or a space/ },
    { id: "a trailing space", paths: ["a "], says: /dot or a space/ },
    { id: "a colon on Windows", paths: ["ab:c"], rules: WINDOWS, says: /Windows/ },
    { id: "the same path twice", paths: ["a", "a"], says: /same file/ },
    { id: "case twins where case does not count", paths: ["a/B.txt", "A/b.txt"], rules: CASE, says: /same file/ },
    { id: "accent twins where case does not count", paths: ["\u00e9", "e\u0301"], rules: CASE, says: /same file/ },
    { id: "a file in the place of a folder", paths: ["a/b/c", "a/b"], says: /can't be a folder/ },
    { id: "the same, in other case", paths: ["X/y", "x"], rules: CASE, says: /can't be a folder/ },
  ] as { id: string; paths: string[]; rules?: FileNameRules; says: RegExp }[]) {
    test(id, () => {
      assert.throws(() => checkFileNames(paths, rules), { code: "UNSAFE_FILE_NAME", message: says });
    });
  }
});
