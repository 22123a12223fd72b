/** What a loader reads before anything else: with it at hand, it can start while the rest is on its way. Pure. */

/** Configurations, file lists, licences. */
const SMALL_BYTES = 1024 * 1024;
const TOKENIZER = /(?:^|\/)(?:tokenizer[^/]*|vocab[^/]*|merges\.txt|[^/]*\.tiktoken|spiece\.model)$/i;
/** The first of several weight files: its header, the embeddings and the first layers. */
const FIRST_WEIGHTS = /-0*1-of-\d+\.(?:safetensors|gguf|bin)$/i;

export function isStartupFile({ path, sizeBytes }: { readonly path: string; readonly sizeBytes: number }): boolean {
  return sizeBytes < SMALL_BYTES || TOKENIZER.test(path) || FIRST_WEIGHTS.test(path);
}
