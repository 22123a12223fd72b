/**
 * Figures of finished runs, one JSON line each, so that a sweep of hours can go on where it was interrupted.
 *
 * A line counts only for the code that it was measured with: the simulator's and the engine's, as compiled.
 */
import { createHash } from "node:crypto";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Figures } from "./figures.js";

/** One run of a sweep. */
export interface RunKey {
  readonly scenario: string;
  readonly nodes: number;
  readonly seed: number;
}

export interface Result extends RunKey {
  readonly figures: Figures;
  /** Real time that the run took. */
  readonly tookMs: number;
}

export class ResultsFile {
  readonly #path: string;
  readonly #code = codeOf(["./main.js", "@swarmd/daemon/core/engine"]);
  readonly #results = new Map<string, Result>();
  /** Lines of other code, which are left where they are. */
  readonly others: number;

  constructor(path: string) {
    this.#path = path;
    const lines = readLines(path);
    const ours = lines.filter(({ code }) => code === this.#code);
    for (const line of ours) this.#results.set(nameOf(line), line);
    this.others = lines.length - ours.length;
  }

  find(run: RunKey): Result | undefined {
    return this.#results.get(nameOf(run));
  }

  add(result: Result): void {
    this.#results.set(nameOf(result), result);
    appendFileSync(this.#path, `${JSON.stringify({ code: this.#code, ...result })}\n`);
  }
}

function nameOf({ scenario, nodes, seed }: RunKey): string {
  return `${scenario} ${nodes} ${seed}`;
}

/** Half a line at the end, of a sweep that was killed while it wrote, is left out. */
function readLines(path: string): (Result & { readonly code: string })[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  if (text !== "" && !text.endsWith("\n")) appendFileSync(path, "\n");
  return text.split("\n").flatMap((line) => parseLine(line) ?? []);
}

function parseLine(line: string): (Result & { readonly code: string }) | undefined {
  if (line === "") return undefined;
  try {
    // JSON knows no Infinity, which stands for a node that never ended.
    return JSON.parse(line, (_, value) => (value === null ? Number.POSITIVE_INFINITY : value));
  } catch {
    return undefined;
  }
}

/** A digest over all compiled files in the folders of these modules. */
function codeOf(modules: readonly string[]): string {
  const hash = createHash("sha256");
  for (const name of modules) {
    const folder = dirname(fileURLToPath(import.meta.resolve(name)));
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    const code = files.filter((file) => file.endsWith(".js") && !file.endsWith(".test.js"));
    for (const file of code.sort()) hash.update(`${file}\n`).update(readFileSync(join(folder, file)));
  }
  return hash.digest("hex").slice(0, 16);
}
