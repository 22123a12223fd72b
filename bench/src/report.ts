/** How a benchmark says what it measured: one line per figure, with what it is compared to and what it should reach. */

export interface Figure {
  /** Where several figures belong together: the letter by which they are asked for. */
  readonly id?: string;
  readonly what: string;
  /** As measured, with its unit. */
  readonly measured: string;
  /** The other side of the comparison, measured in the same run. */
  readonly against?: string;
  readonly target: string;
  readonly reached: boolean;
  /** What the words above are made of, for a file. Units in the names. */
  readonly values?: Readonly<Record<string, number>>;
}

export interface Bench {
  readonly name: string;
  readonly about: string;
  run(log: (line: string) => void): Promise<readonly Figure[]>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A table for a terminal and for Markdown alike. */
export function renderTable(figures: readonly Figure[]): string {
  const rows = [
    ["what", "measured", "against", "target", ""],
    ...figures.map(({ what, measured, against, target, reached }) => [
      what,
      measured,
      against ?? "",
      target,
      reached ? "reached" : "NOT REACHED",
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`);
  lines.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return lines.join("\n");
}
