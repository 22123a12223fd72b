/** Holds a file and its tree, and proves any shard of it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProofStore } from "@swarmd/daemon/verify/xet/proof-store";
import { TreeBuilder } from "@swarmd/daemon/verify/xet/tree-builder";
import { bytesOfXetHash, type XetHash, XetHasher } from "@swarmd/daemon/verify/xet/xet-hash";
import { shardEnd, shardStart } from "@swarmd/protocol";
import type { EvidenceItem } from "@swarmd/protocol/wire";
import { xetHashOf } from "./xet-hash-of.js";

export class ProvingHolder {
  readonly xetHash: XetHash;
  readonly #content: Buffer;
  readonly #shardBytes: number;
  readonly #folder: string;
  readonly #proofs: ProofStore;
  readonly #builder: TreeBuilder;

  private constructor(content: Buffer, shardBytes: number, folder: string, proofs: ProofStore, builder: TreeBuilder) {
    this.xetHash = xetHashOf(content);
    this.#content = content;
    this.#shardBytes = shardBytes;
    this.#folder = folder;
    this.#proofs = proofs;
    this.#builder = builder;
  }

  static async make(content: Buffer, shardBytes: number): Promise<ProvingHolder> {
    const folder = await mkdtemp(join(tmpdir(), "swarmd-proving-"));
    const builder = new TreeBuilder();
    const proofs = new ProofStore({ folder: join(folder, "proofs") }, { hasher: await XetHasher.load(), builder });
    await proofs.start();
    const holder = new ProvingHolder(content, shardBytes, folder, proofs, builder);
    const path = join(folder, "file");
    await writeFile(path, content);
    const { signal } = new AbortController();
    const rule = await proofs.keepTree({ file: holder.xetHash, sizeBytes: content.length, path }, { signal });
    if (rule === undefined) throw new Error("the tree was not found");
    return holder;
  }

  /** As the serve room's shelf does. */
  async prove(shard: number, root: Uint8Array): Promise<readonly EvidenceItem[]> {
    if (Buffer.compare(bytesOfXetHash(this.xetHash), root) !== 0) return [];
    const sizeBytes = this.#content.length;
    const startBytes = shardStart(shard, this.#shardBytes);
    const endBytes = shardEnd(shard, sizeBytes, this.#shardBytes);
    const reader = {
      read: async (positionBytes: number, target: Uint8Array) => {
        this.#content.copy(target, 0, positionBytes);
      },
    };
    const range = { file: this.xetHash, sizeBytes, startBytes, endBytes };
    const payload = await this.#proofs.makeProof(range, reader, { signal: new AbortController().signal });
    return [{ kind: "proof", payload }];
  }

  async stop(): Promise<void> {
    await this.#builder.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
