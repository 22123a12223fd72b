import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Painter } from "./painter.js";

/** A terminal that keeps what is on its screen, as far as a painter goes. */
class Screen {
  columns = 80;
  readonly rows = 24;
  lines: string[] = [""];
  #row = 0;
  isCursorShown = true;
  writes = 0;

  write = (data: unknown): boolean => {
    this.writes += 1;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
    for (const [token] of String(data).matchAll(/\u001b\[\??[0-9]*[A-Za-z]|\n|\r|[^\u001b\n\r]+/g)) this.#take(token);
    return true;
  };

  /** As terminals do that keep what is on them when their width changes. */
  wrapAt(columns: number): void {
    this.columns = columns;
    this.lines = this.lines.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, "g")) ?? [""]);
    this.#row = this.lines.length - 1;
  }

  #take(token: string): void {
    if (token.endsWith("A") && token.startsWith("\u001b")) this.#row -= Number(token.slice(2, -1));
    else if (token === "\u001b[?25l" || token === "\u001b[?25h") this.isCursorShown = token.endsWith("h");
    // The painter erases only from the start of a line.
    else if (token === "\u001b[J") this.lines.splice(this.#row, Number.POSITIVE_INFINITY, "");
    else if (token === "\n") this.lines[++this.#row] ??= "";
    else if (!token.startsWith("\u001b") && token !== "\r") this.lines[this.#row] = token;
  }
}

describe("Painter", () => {
  it("keeps its block in place, and what is printed above it", () => {
    const screen = new Screen();
    let lines = ["one", "two"];
    const painter = new Painter(screen, () => lines);
    assert.equal(screen.isCursorShown, false);
    painter.update();
    assert.deepEqual(screen.lines, ["one", "two", ""]);
    painter.print("said");
    assert.deepEqual(screen.lines, ["said", "one", "two", ""]);
    lines = ["three"];
    painter.print("more");
    assert.deepEqual(screen.lines, ["said", "more", "three", ""]);
    painter.stop();
    assert.deepEqual(screen.lines, ["said", "more", ""]);
    assert.equal(screen.isCursorShown, true);
  });

  it("finds its block again after the terminal was made narrower and wrapped it", () => {
    const screen = new Screen();
    const painter = new Painter(screen, () => ["0123456789", "abc"]);
    painter.update();
    screen.wrapAt(4);
    painter.print("said");
    assert.deepEqual(screen.lines, ["said", "0123456789", "abc", ""]);
    painter.stop();
  });

  it("paints no more often than it has to", () => {
    const screen = new Screen();
    const painter = new Painter(screen, () => ["x"]);
    const before = screen.writes;
    for (let index = 0; index < 1000; index += 1) painter.update();
    assert.equal(screen.writes - before, 1);
    painter.stop();
  });

  it("stopping twice, or updating afterwards, changes nothing", () => {
    const screen = new Screen();
    const painter = new Painter(screen, () => ["x"]);
    painter.update();
    painter.stop();
    const { writes } = screen;
    painter.stop();
    painter.update();
    assert.equal(screen.writes, writes);
  });
});
