import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SwarmError } from "../errors.js";
import { type CommitId, parseBlobId, parseNodeId, parseRepoSpec, parseRevision } from "../ids.js";
import {
  decodeFileList,
  decodePublication,
  encodeFileList,
  encodePublication,
  type ListedFile,
  PUBLICATION_BYTES_MAX,
  type Publication,
} from "./publication.js";
import { decodeShelfNews, encodeShelfNews, SHELF_BYTES_MAX, SHELF_ENTRIES_MAX, type ShelfEntry } from "./shelf.js";

/** Compared with objects that are made with braces. */
const PLAIN = { noNullPrototype: true };
/** The same cases in each run. */
const RUN = { seed: 61 };
const NODE = parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1");
const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const LONGEST = `${"o".repeat(96)}/${"n".repeat(96)}`;
const repo = fc
  .constantFrom("me/model", "org/x.y_z-1", "a".repeat(96), `datasets/${LONGEST}`, `spaces/${LONGEST}`)
  .map((text) => parseRepoSpec(text).repo);
const bytes64 = fc.uint8Array({ minLength: 64, maxLength: 64 });
const publication: fc.Arbitrary<Publication> = fc.record(
  {
    timeMs: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    cluster: fc.constantFrom("open", "f".repeat(64)),
    repo,
    revision: fc.constantFrom("main", "v1.0", "refs/pr/7", "ä".repeat(255)).map(parseRevision),
    commit: hex(40).map((text) => text as CommitId),
    listSha256: hex(64),
    listBytes: fc.nat({ max: 1_000_000 }),
    files: fc.integer({ min: 1, max: 100_000 }),
    bytes: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    publisher: fc.constant(NODE),
    signature: bytes64,
  },
  PLAIN,
);
const listed: fc.Arbitrary<ListedFile[]> = fc.uniqueArray(
  fc.record(
    {
      path: fc.constantFrom("a", "b/c", "b/d", "config.json", "z/ä/x", "𝒳.bin", "\uffff"),
      sizeBytes: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      blob: fc
        .oneof(
          hex(64).map((one) => `sha256:${one}`),
          hex(40).map((one) => `git-sha1:${one}`),
        )
        .map(parseBlobId),
    },
    PLAIN,
  ),
  { selector: ({ path }) => path },
);

function isFault(decode: () => unknown): boolean {
  try {
    decode();
    return false;
  } catch (error) {
    return error instanceof SwarmError && error.code === "PEER_FAULT";
  }
}

describe("publications and shelves on the wire", () => {
  it("come back as they were sent, and never take more than their bound", () => {
    fc.assert(
      fc.property(publication, (value) => {
        const bytes = encodePublication(value);
        assert.ok(bytes.length <= PUBLICATION_BYTES_MAX);
        assert.deepEqual(decodePublication(bytes), value);
      }),
      RUN,
    );
  });

  it("have one form only: a byte more, less or other is no publication, or another one", () => {
    fc.assert(
      fc.property(publication, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, by) => {
        const bytes = encodePublication(value);
        assert.ok(isFault(() => decodePublication(Uint8Array.of(...bytes, 0))));
        assert.ok(isFault(() => decodePublication(bytes.subarray(0, bytes.length - 1))));
        const other = Uint8Array.from(bytes);
        const index = at % other.length;
        other[index] = ((other[index] as number) + by) % 256;
        if (isFault(() => decodePublication(other))) return;
        assert.deepEqual(encodePublication(decodePublication(other)), other);
      }),
      RUN,
    );
  });

  it("list files in one order, whatever the order they were given in", () => {
    fc.assert(
      fc.property(listed, (files) => {
        const bytes = encodeFileList(files);
        assert.deepEqual(encodeFileList([...files].reverse()), bytes);
        const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
        assert.deepEqual(decodeFileList(bytes), sorted);
      }),
      RUN,
    );
  });

  const sha = parseBlobId(`sha256:${"a".repeat(64)}`);
  const url = parseBlobId(`url:${"a".repeat(64)}:${"b".repeat(16)}:5`);
  for (const [what, files] of [
    ["climbs out", [{ path: "../x", sizeBytes: 1, blob: sha }]],
    ["is absolute", [{ path: "/x", sizeBytes: 1, blob: sha }]],
    [
      "needs a file to be a folder",
      [
        { path: "a", sizeBytes: 1, blob: sha },
        { path: "a/b", sizeBytes: 1, blob: sha },
      ],
    ],
    [
      "stands there twice",
      [
        { path: "a", sizeBytes: 1, blob: sha },
        { path: "a", sizeBytes: 2, blob: sha },
      ],
    ],
    ["has no digest", [{ path: "a", sizeBytes: 1, blob: url }]],
  ] as const) {
    it(`refuses a list with a file that ${what}`, () => {
      assert.ok(isFault(() => decodeFileList(encodeFileList(files))));
    });
  }

  it("carry shelves of any size that a message may have", () => {
    const entry: fc.Arbitrary<ShelfEntry> = fc.tuple(publication, fc.boolean()).map(([one, isPublished]) => ({
      repo: one.repo,
      commit: one.commit,
      files: one.files,
      bytes: one.bytes,
      publication: isPublished ? one : undefined,
    }));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), fc.boolean(), fc.nat(), (entries, isFull, sequence) => {
        const gone = entries.map(({ repo, commit }) => ({ repo, commit }));
        const news = { epoch: 1_700_000_000_000, sequence, isFull, entries, gone };
        assert.deepEqual(decodeShelfNews(encodeShelfNews(news)), news);
      }),
      RUN,
    );
    const [largest] = fc.sample(
      publication.map((one) => ({ ...one, revision: parseRevision("ä".repeat(255)) })),
      { ...RUN, numRuns: 1 },
    );
    if (largest === undefined) throw new Error("no sample");
    const full = { repo: largest.repo, commit: largest.commit, files: 1, bytes: 1, publication: largest };
    const entries = Array.from({ length: SHELF_ENTRIES_MAX }, () => full);
    const bytes = encodeShelfNews({ epoch: 1, sequence: 1, isFull: true, entries, gone: entries });
    assert.ok(bytes.length <= SHELF_BYTES_MAX, `${bytes.length} bytes`);
  });

  it("refuses a publication under another repo's name", () => {
    const [one, other] = fc.sample(publication, { ...RUN, numRuns: 2 }) as [Publication, Publication];
    const entry = { repo: one.repo, commit: "0".repeat(40) as CommitId, files: 1, bytes: 1, publication: other };
    const bytes = encodeShelfNews({ epoch: 1, sequence: 1, isFull: true, entries: [entry], gone: [] });
    assert.ok(isFault(() => decodeShelfNews(bytes)));
  });
});
