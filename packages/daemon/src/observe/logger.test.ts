import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLogger, type LoggerOptions } from "./logger.js";

function logged(options: Partial<LoggerOptions>, work: (logger: ReturnType<typeof createLogger>) => void): string {
  let text = "";
  const sink = { write: (line: string) => (text += line) };
  work(createLogger({ format: "pretty", level: "info", ...options }, sink));
  return text;
}

describe("the log", () => {
  it("pretty is one readable line", () => {
    const text = logged({}, (logger) => logger.info({ repo: "org/name", note: "two words" }, "pulled"));
    assert.match(text, /^\d\d:\d\d:\d\d info {2}pulled {2}repo=org\/name {2}note="two words"\n$/);
  });

  it("json is one object per line", () => {
    const text = logged({ format: "json" }, (logger) => logger.warn({ n: 1 }, "careful"));
    const { time, ...rest } = JSON.parse(text);
    assert.deepEqual(rest, { level: "warn", n: 1, msg: "careful" });
    assert.ok(!Number.isNaN(Date.parse(time)));
  });

  it("an error is shown with its stack", () => {
    const text = logged({}, (logger) => logger.error({ err: new Error("boom") }, "failed"));
    assert.match(text, /failed\n {4}Error: boom\n {8}at /);
  });

  it("what is below the level is not written", () => {
    assert.equal(
      logged({ level: "warn" }, (logger) => logger.info("hello")),
      "",
    );
  });

  for (const format of ["pretty", "json"] as const) {
    it(`a token is never written, ${format}`, () => {
      const text = logged({ format, secrets: ["hf_secret", ""] }, (logger) =>
        logger.error(
          { err: new Error("GET with hf_secret"), headers: { authorization: "Bearer hf_secret" } },
          "hf_secret",
        ),
      );
      assert.doesNotMatch(text, /hf_secret/);
      assert.match(text, /\[secret\]/);
    });
  }
});
