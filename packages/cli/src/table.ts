/** Columns of text. Pure. */
import { padEnd, padStart, widthOf } from "./text.js";

export interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly align?: "left" | "right";
}

/** A heading and one line per row; the last column is not padded. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const table = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, index) => Math.max(...table.map((row) => widthOf(row[index] ?? ""))));
  return table.map((row) =>
    columns
      .map(({ align }, index) => {
        const pad = align === "right" ? padStart : padEnd;
        return pad(row[index] ?? "", widths[index] as number);
      })
      .join("  ")
      .trimEnd(),
  );
}
