/** Keeps a block of lines at the bottom of a terminal up to date, without flicker, and gives the cursor back. */
import type { WriteStream } from "node:tty";
import { widthOf } from "../text.js";

/** What a painter needs of a terminal. */
export type PaintTarget = Pick<WriteStream, "write" | "columns" | "rows">;

const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const ERASE_TO_LINE_END = "\u001b[K";
const ERASE_BELOW = "\u001b[J";
/** A terminal redraws in one go what stands between these; one that does not know them ignores them. */
const BEGIN_UPDATE = "\u001b[?2026h";
const END_UPDATE = "\u001b[?2026l";

/** Ten pictures a second look alive; more only cost. */
const MIN_FRAME_MS = 100;

export class Painter {
  readonly #target: PaintTarget;
  readonly #render: () => readonly string[];
  #onScreen: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastPaintMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;
  readonly #restore = () => {
    this.#target.write(SHOW_CURSOR);
  };

  /** `render` is asked for the lines of each picture; none may be wider than the terminal. */
  constructor(target: PaintTarget, render: () => readonly string[]) {
    this.#target = target;
    this.#render = render;
    // Also when the process ends without asking us.
    process.once("exit", this.#restore);
    target.write(HIDE_CURSOR);
  }

  /** Something changed: paint now, or as soon as the last picture is old enough. */
  update(): void {
    if (this.#isStopped || this.#timer !== undefined) return;
    const waitMs = this.#lastPaintMs + MIN_FRAME_MS - performance.now();
    if (waitMs <= 0) {
      this.#paint();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#paint();
    }, waitMs);
  }

  /** Puts a line above the block, where it stays. */
  print(line: string): void {
    this.#write(`${line}${ERASE_TO_LINE_END}\n`, this.#isStopped ? [] : this.#render());
  }

  /** Removes the block and shows the cursor. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#write("", []);
    process.off("exit", this.#restore);
    this.#restore();
  }

  #paint(): void {
    this.#lastPaintMs = performance.now();
    this.#write("", this.#render());
  }

  /** One write per picture; each line overwrites the old one in place, so nothing blinks. */
  #write(above: string, lines: readonly string[]): void {
    const rows = this.#countRows();
    const up = rows > 0 ? `\u001b[${rows}A` : "";
    const block = lines.map((line) => `${line}${ERASE_TO_LINE_END}\n`).join("");
    this.#target.write(`${BEGIN_UPDATE}${up}\r${above}${block}${ERASE_BELOW}${END_UPDATE}`);
    this.#onScreen = lines;
  }

  /** A terminal that was made narrower since has wrapped what was drawn wide. */
  #countRows(): number {
    const { columns } = this.#target;
    const rowsOf = (line: string) => (columns > 0 ? Math.max(1, Math.ceil(widthOf(line) / columns)) : 1);
    return this.#onScreen.reduce((rows, line) => rows + rowsOf(line), 0);
  }
}
