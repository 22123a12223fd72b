/** What the branded names of `ids.ts` are made of; apart from them, because errors carry node ids and parsers throw errors. */

declare const brand: unique symbol;

/** A plain string with a brand that only its `parse` function gives out. */
export type Branded<Name extends string> = string & { readonly [brand]: Name };

/** One running swarmd: its libp2p PeerId. */
export type NodeId = Branded<"NodeId">;
