/** Which lane leads to a peer: the direct one where it has an address, else whatever stream there is. */
import type { NodeId } from "@swarmd/protocol";
import type { DirectLaneClient, FileSource } from "./direct-lane-client.js";

/** The transfer room's port `LaneOpener`; `Stream` is its `RangeSource`. */
export class LaneChoice<Stream> {
  readonly #direct: DirectLaneClient;
  readonly #stream: (peer: NodeId) => Stream;

  constructor(deps: { readonly direct: DirectLaneClient; readonly stream: (peer: NodeId) => Stream }) {
    this.#direct = deps.direct;
    this.#stream = deps.stream;
  }

  open(peer: NodeId, link: string): Stream | FileSource {
    return this.#direct.reaches(peer, link) ? this.#direct.source(peer, link) : this.#stream(peer);
  }
}
