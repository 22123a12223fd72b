/** Cuts text that arrives in arbitrary pieces into lines. Empty lines are skipped; a last line without a newline counts. */
export async function* splitLines(chunks: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) if (line !== "") yield line;
  }
  if (rest !== "") yield rest;
}
