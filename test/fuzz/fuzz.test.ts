import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SwarmError } from "@swarmd/protocol";
import { readCorpus } from "./corpus.js";
import { fuzz } from "./fuzz.js";
import { TARGETS } from "./targets.js";

/** The long run is `npm run fuzz`. */
const INPUTS = 10_000;

describe("decoders of strangers' bytes", () => {
  for (const target of TARGETS) {
    it(`${target.name}: reads its samples, and answers ${INPUTS} bad inputs with a coded error`, () => {
      for (const sample of target.samples) target.decode(sample);
      const corpus = readCorpus(target.name);
      assert.ok(corpus.length > 0, "it has no corpus: run `npm run fuzz -- --keep`");
      const { failures, inputs } = fuzz(target, { inputs: INPUTS, seed: 1, corpus, guided: false });
      assert.deepEqual(
        failures.map(({ why, input }) => `${why} ← ${Buffer.from(input).toString("hex")}`),
        [],
      );
      assert.ok(inputs >= INPUTS);
    });
  }
});

describe("the fuzzer", () => {
  const planted = {
    name: "planted",
    codes: ["PEER_FAULT"] as const,
    samples: [Buffer.from("good input")],
  };

  it("finds a decoder that throws what it should not", () => {
    const decode = (bytes: Uint8Array) => {
      if (bytes.length > 20) throw new RangeError("a bug");
    };
    const { failures } = fuzz({ ...planted, decode }, { inputs: 20_000, seed: 1, corpus: [], guided: false });
    assert.equal(failures[0]?.why, "RangeError: a bug");
  });

  it("does not take an error with another code for an answer", () => {
    const decode = () => {
      throw new SwarmError("INTERNAL", "not what peers may cause");
    };
    const { failures } = fuzz({ ...planted, decode }, { inputs: 1, seed: 1, corpus: [], guided: false });
    assert.match(failures[0]?.why ?? "", /INTERNAL|not what peers/);
  });

  it("does the same twice", () => {
    const inputs: string[][] = [[], []];
    for (const list of inputs) {
      const decode = (bytes: Uint8Array) => void list.push(Buffer.from(bytes).toString("hex"));
      fuzz({ ...planted, decode }, { inputs: 100, seed: 7, corpus: [], guided: false });
    }
    assert.deepEqual(inputs[0], inputs[1]);
  });
});
