import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Content, readContent } from "./hub/content.js";
import { sha256Of } from "./hub/digest.js";
import { makeModelRepo } from "./repo-maker.js";

const SIZES = [
  { id: "tiny, one file", weightBytes: 200_000, weightFiles: 1 },
  { id: "small, two files", weightBytes: 5_000_000, weightFiles: 2 },
  { id: "the demo's size", weightBytes: 300_000_000, weightFiles: 4 },
  { id: "more files than the embedding is parts", weightBytes: 300_000_000, weightFiles: 9 },
  { id: "as large as real ones", weightBytes: 140_000_000_000, weightFiles: 30 },
];

const weightsOf = (files: Record<string, Content>) =>
  Object.entries(files).filter(([path]) => path.endsWith(".safetensors"));

async function readJson(content: Content | undefined) {
  return JSON.parse((await readContent(content as Content)).toString());
}

/** The header of a safetensors file, checked as its readers check it. */
async function readHeader(
  content: Content,
): Promise<Record<string, { shape: number[]; data_offsets: [number, number] }>> {
  const length = Number((await readContent(content, 0, 8)).readBigUInt64LE());
  assert.equal(length % 8, 0);
  const { __metadata__: _, ...tensors } = JSON.parse((await readContent(content, 8, 8 + length)).toString());
  let end = 0;
  for (const { shape, data_offsets: offsets } of Object.values<{ shape: number[]; data_offsets: number[] }>(tensors)) {
    assert.deepEqual(offsets, [end, end + shape.reduce((a, b) => a * b, 2)]);
    end = offsets[1] as number;
  }
  assert.equal(content.sizeBytes, 8 + length + end);
  return tensors;
}

describe("makeModelRepo", () => {
  for (const { id, weightBytes, weightFiles } of SIZES) {
    it(`${id}: true headers, as many files and about as many bytes as asked for`, async () => {
      const files = makeModelRepo({ weightBytes, weightFiles });
      const weights = weightsOf(files);
      assert.equal(weights.length, weightFiles);
      const total = weights.reduce((sum, [, content]) => sum + content.sizeBytes, 0);
      assert.ok(Math.abs(total - weightBytes) < 20_000 + weightBytes * 0.001, `${total} for ${weightBytes}`);
      const index = weightFiles === 1 ? undefined : await readJson(files["model.safetensors.index.json"]);
      for (const [path, content] of weights) {
        for (const name of Object.keys(await readHeader(content))) {
          if (index) assert.equal(index.weight_map[name], path);
        }
      }
    });
  }

  it("the configuration describes the tensors, and the tokenizer is sound", async () => {
    const files = makeModelRepo({ weightBytes: 2_000_000, weightFiles: 1 });
    const config = await readJson(files["config.json"]);
    const tensors = await readHeader(files["model.safetensors"] as Content);
    assert.deepEqual(tensors["model.embed_tokens.weight"]?.shape, [config.vocab_size, config.hidden_size]);
    assert.ok(tensors[`model.layers.${config.num_hidden_layers - 1}.mlp.down_proj.weight`]);
    const { vocab, merges } = (await readJson(files["tokenizer.json"])).model;
    assert.ok(merges.length > 1000);
    for (const [left, right] of merges) assert.ok(left in vocab && right in vocab && left + right in vocab);
  });

  it("the same seed gives the same repo, another seed other weights", async () => {
    const digest = async (seed: number) => {
      const files = makeModelRepo({ weightBytes: 200_000, weightFiles: 1, seed });
      return sha256Of(files["model.safetensors"] as Content);
    };
    assert.equal(await digest(1), await digest(1));
    assert.notEqual(await digest(1), await digest(2));
  });
});
