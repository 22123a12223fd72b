import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FileProgress, ProgressEvent } from "@swarmd/protocol/api";
import fc from "fast-check";
import { NO_COLORS } from "../colors.js";
import { widthOf } from "../text.js";
import { renderPull } from "./progress-lines.js";
import { EMPTY_VIEW, foldPullEvent, type PullView, percentOf } from "./pull-view.js";

const SCREEN = { columns: 80, rows: 24, colors: NO_COLORS };

function fileOf(path: string, doneBytes: number, state: FileProgress["state"] = "fetching"): FileProgress {
  return { path, sizeBytes: 1e9, doneBytes, state };
}

function viewOf(fields: Partial<ProgressEvent>): PullView {
  return foldPullEvent(EMPTY_VIEW, {
    type: "progress",
    bytes: 500e6,
    totalBytes: 2e9,
    bytesPerSecond: 100e6,
    etaMs: 15_000,
    filesDone: 1,
    filesTotal: 3,
    files: [],
    ...fields,
  });
}

describe("renderPull", () => {
  it("before anything is known", () => {
    assert.deepEqual(renderPull(EMPTY_VIEW, SCREEN), ["  asking what is there …"]);
  });

  it("one line per file in flight, and one for all", () => {
    const files = [fileOf("a.safetensors", 250e6), fileOf("b.safetensors", 1e9, "checking"), fileOf("w", 0, "waiting")];
    assert.deepEqual(
      renderPull(viewOf({ files }), SCREEN),
      [
        "  a.safetensors   250 MB / 1.00 GB       25%",
        "  b.safetensors            1.00 GB  checking",
        "  ━━━━━──────────────────  25%  500 MB / 2.00 GB  100 MB/s  15s left  1/3 files",
      ].map((line) => line.replace("━━━━━───────────────────", "━━━━━───────────────────")),
    );
  });

  it("all bytes there is still not done: 99 %, checking", () => {
    const [line = ""] = renderPull(viewOf({ bytes: 2e9, etaMs: 0 }), SCREEN);
    assert.match(line, /99%/);
    assert.match(line, /checking/);
    assert.doesNotMatch(line, /left/);
  });

  it("100 % only when done", () => {
    assert.equal(percentOf(2e9, 2e9, false), 99);
    assert.equal(percentOf(1_999_999_999, 2e9, false), 99);
    assert.equal(percentOf(2e9, 2e9, true), 100);
    assert.equal(percentOf(0, 0, true), 100);
    assert.equal(percentOf(0, 0, false), 0);
  });

  it("no telling how long is said so", () => {
    assert.match(renderPull(viewOf({ etaMs: null }), SCREEN).at(-1) ?? "", / {2}-- {2}/);
  });

  it("more files than half the screen: the rest is counted", () => {
    const files = Array.from({ length: 30 }, (_, index) => fileOf(`file-${index}`, 0));
    const lines = renderPull(viewOf({ files }), SCREEN);
    assert.equal(lines.length, 11);
    assert.equal(lines.at(-2), "  … and 21 more");
  });

  it("long names lose their middle", () => {
    const files = [fileOf(`${"x".repeat(100)}-00001-of-00002.safetensors`, 0)];
    assert.match(renderPull(viewOf({ files }), SCREEN)[0] ?? "", /^ {2}x+….*safetensors +0 B/);
  });

  it("a name can't move the cursor", () => {
    const files = [fileOf("evil\u001b[2Jname", 0)];
    assert.ok(!renderPull(viewOf({ files }), SCREEN).join("").includes("\u001b"));
  });

  it("no line is ever as wide as the terminal, whatever its size and the names", () => {
    const names = fc.string({ unit: "grapheme", minLength: 1, maxLength: 120 });
    const bytes = fc.integer({ min: 0, max: 1e12 });
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.tuple(names, bytes), { maxLength: 40 }),
        bytes,
        (columns, rows, files, total) => {
          const view = viewOf({
            totalBytes: total,
            files: files.map(([name, done], index) => fileOf(name, done, index % 2 === 0 ? "fetching" : "checking")),
          });
          const lines = renderPull(view, { columns, rows, colors: NO_COLORS });
          for (const line of lines) assert.ok(widthOf(line) < columns, `${columns}: ${JSON.stringify(line)}`);
          assert.ok(lines.length <= Math.max(2, Math.floor(rows / 2)));
        },
      ),
    );
  });
});

describe("foldPullEvent", () => {
  it("counts files once, from whichever event comes first", () => {
    const file = { type: "file", path: "a", bytes: 1, source: "origin" } as const;
    let view = viewOf({ filesDone: 2 });
    view = foldPullEvent(view, file);
    assert.equal(view.filesDone, 2);
    view = foldPullEvent(foldPullEvent(view, file), file);
    assert.equal(view.filesDone, 3);
  });
});
