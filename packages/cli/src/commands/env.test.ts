import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { render, variablesFor } from "./env.js";

const VARIABLES = variablesFor("http://127.0.0.1:7480");

describe("swarm env", () => {
  for (const { format, lines } of [
    {
      format: "shell",
      lines: ["export HF_ENDPOINT=http://127.0.0.1:7480", "export MODEL_ENDPOINT=http://127.0.0.1:7480/"],
    },
    {
      format: "fish",
      lines: ["set -gx HF_ENDPOINT http://127.0.0.1:7480", "set -gx MODEL_ENDPOINT http://127.0.0.1:7480/"],
    },
    {
      format: "systemd",
      lines: [
        "[Service]",
        "Environment=HF_ENDPOINT=http://127.0.0.1:7480",
        "Environment=MODEL_ENDPOINT=http://127.0.0.1:7480/",
      ],
    },
  ] as const) {
    it(`speaks ${format}`, () => assert.deepEqual(render(format, VARIABLES).split("\n"), lines));
  }

  it("gives a compose service the network of the machine", () => {
    const text = render("compose", VARIABLES);
    assert.match(text, /^ {4}network_mode: host$/m);
    assert.match(text, /^ {6}HF_ENDPOINT: "http:\/\/127\.0\.0\.1:7480"$/m);
  });
});
