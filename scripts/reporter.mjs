// node:test reporter: says what failed and what was skipped, in full, and ends with one line that counts.
import { relative } from "node:path";

function describeError(error) {
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause).replace(/^/gm, "    ");
}

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter by its default export.
export default async function* report(source) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const failures = [];
  for await (const { type, data } of source) {
    if (type === "test:stderr" || type === "test:stdout") yield data.message;
    // What a test measured. The runner's own summary comes the same way, and is made below.
    if (
      type === "test:diagnostic" &&
      !/^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(data.message)
    ) {
      yield `measured: ${data.message}\n`;
    }
    if (type !== "test:pass" && type !== "test:fail") continue;
    // A suite is no test of its own, unless its tests are all left out; a file that dies before its first test is one.
    const isSuite = data.details?.type === "suite" && data.details?.error?.failureType !== "hookFailed";
    if (isSuite && data.skip === undefined) continue;
    const where = data.file ? relative(process.cwd(), data.file) : "";
    if (data.skip !== undefined) {
      skipped += 1;
      yield `skipped: ${where}: ${data.name}${typeof data.skip === "string" ? ` (${data.skip})` : ""}\n`;
    } else if (type === "test:pass") {
      passed += 1;
    } else {
      failed += 1;
      failures.push(`✖ ${where}: ${data.name}\n${describeError(data.details?.error)}\n`);
      yield failures.at(-1);
    }
  }
  if (failures.length > 0) yield `\n${failures.length} failed:\n${failures.join("\n")}`;
  yield `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`;
}
