// WebAssembly text of the BLAKE3 compression function, four inputs at a time: lane i of every vector belongs to input i.
// Written from the BLAKE3 paper. Only what a tree of chaining values needs; the tree itself is made in TypeScript.

/** First 32 bits of the fractional parts of the square roots of 2, 3, 5, 7, as in SHA-256. */
const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
/** The state words each of the eight mixings of a round works on: the columns, then the diagonals. */
const MIXINGS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];
const WORDS = [...Array(16).keys()];

const get = (name) => `(local.get $${name})`;
const set = (name, value) => `(local.set $${name} ${value})`;
const add = (a, b) => `(i32x4.add ${a} ${b})`;
const xor = (a, b) => `(v128.xor ${a} ${b})`;
const load = (pointer, offset) => `(v128.load offset=${offset} ${get(pointer)})`;
const i32 = (value) => `(i32.const ${value})`;

/** Lanes of 32 bits, rotated right. Whole bytes are moved by a shuffle, which is one instruction. */
function rotateRight(value, bits) {
  if (bits % 8 === 0) {
    const lanes = WORDS.map((byte) => (byte & ~3) | ((byte + bits / 8) & 3)).join(" ");
    return `(i8x16.shuffle ${lanes} ${value} ${value})`;
  }
  return `${set("t", value)} (v128.or (i32x4.shr_u ${get("t")} ${i32(bits)}) (i32x4.shl ${get("t")} ${i32(32 - bits)}))`;
}

/** `word = (word ^ other) >>> bits`, where the rotation may need a statement of its own before it. */
function mixRotate(word, other, bits) {
  const mixed = xor(get(word), get(other));
  if (bits % 8 === 0) return `${set(word, mixed)} ${set(word, rotateRight(get(word), bits))}`;
  const [statement, value] = rotateRight(mixed, bits).split(/(?<=\)) (?=\(v128\.or)/);
  return `${statement} ${set(word, value)}`;
}

function mixing([a, b, c, d], first, second) {
  const [va, vb, vc, vd] = [a, b, c, d].map((index) => `v${index}`);
  return [
    set(va, add(add(get(va), get(vb)), get(`m${first}`))),
    mixRotate(vd, va, 16),
    set(vc, add(get(vc), get(vd))),
    mixRotate(vb, vc, 12),
    set(va, add(add(get(va), get(vb)), get(`m${second}`))),
    mixRotate(vd, va, 8),
    set(vc, add(get(vc), get(vd))),
    mixRotate(vb, vc, 7),
  ].join("\n");
}

/** Seven rounds; the message words are permuted here, when the text is made, not at run time. */
function rounds() {
  const lines = [];
  let order = WORDS;
  for (let round = 0; round < 7; round += 1) {
    MIXINGS.forEach((words, index) => {
      lines.push(mixing(words, order[2 * index], order[2 * index + 1]));
    });
    order = PERMUTATION.map((from) => order[from]);
  }
  return lines.join("\n");
}

/** `names` are four vectors of four words; turns rows into columns. */
function transpose(names, sources) {
  const [a, b, c, d] = sources;
  const shuffle = (lanes, x, y) =>
    `(i8x16.shuffle ${lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)).join(" ")} ${x} ${y})`;
  return [
    set("x0", shuffle([0, 4, 1, 5], a, b)),
    set("x1", shuffle([2, 6, 3, 7], a, b)),
    set("x2", shuffle([0, 4, 1, 5], c, d)),
    set("x3", shuffle([2, 6, 3, 7], c, d)),
    set(names[0], shuffle([0, 1, 4, 5], get("x0"), get("x2"))),
    set(names[1], shuffle([2, 3, 6, 7], get("x0"), get("x2"))),
    set(names[2], shuffle([0, 1, 4, 5], get("x1"), get("x3"))),
    set(names[3], shuffle([2, 3, 6, 7], get("x1"), get("x3"))),
  ].join("\n");
}

const POINTERS = ["p0", "p1", "p2", "p3"];
const four = (start, prefix) => [0, 1, 2, 3].map((index) => `${prefix}${start + index}`);
const splat = (value) => `(i32x4.splat ${value})`;

/**
 * `hash4(p0, p1, p2, p3, bytes, counter, step, flags, first, last, key, out)`: four chaining values of 32 bytes at `out`, of four
 * inputs of `bytes` each (at least 1; zeros behind it up to the next 64). `counter + lane * step` counts the inputs; `first` and
 * `last` are flags of the first and the last block alone.
 */
export function blake3Wat() {
  return `
(func (export "hash4")
  (param $p0 i32) (param $p1 i32) (param $p2 i32) (param $p3 i32) (param $bytes i32) (param $counter i32) (param $step i32)
  (param $flags i32) (param $first i32) (param $last i32) (param $key i32) (param $out i32)
  (local $t v128) (local $counters v128) (local $blockFlags i32) (local $blockBytes i32)
  ${["x", "h", "m", "v"].flatMap((kind) => [...Array({ x: 4, h: 8, m: 16, v: 16 }[kind]).keys()].map((i) => `(local $${kind}${i} v128)`)).join(" ")}
  ${[...Array(8).keys()].map((i) => set(`h${i}`, `(v128.load32_splat offset=${4 * i} ${get("key")})`)).join("\n")}
  ${set("counters", add(splat(get("counter")), `(i32x4.mul (v128.const i32x4 0 1 2 3) ${splat(get("step"))})`))}
  ${set("blockFlags", `(i32.or ${get("flags")} ${get("first")})`)}
  (loop $blocks
    ${set("blockBytes", get("bytes"))}
    (if (i32.gt_u ${get("bytes")} ${i32(64)}) (then ${set("blockBytes", i32(64))}))
    (if (i32.le_u ${get("bytes")} ${i32(64)}) (then ${set("blockFlags", `(i32.or ${get("blockFlags")} ${get("last")})`)}))
    ${[0, 4, 8, 12]
      .map((start) =>
        transpose(
          four(start, "m"),
          POINTERS.map((pointer) => load(pointer, start * 4)),
        ),
      )
      .join("\n")}
    ${[...Array(8).keys()].map((i) => set(`v${i}`, get(`h${i}`))).join("\n")}
    ${IV.map((word, i) => set(`v${8 + i}`, splat(i32(word)))).join("\n")}
    ${set("v12", get("counters"))}
    ${set("v13", splat(i32(0)))}
    ${set("v14", splat(get("blockBytes")))}
    ${set("v15", splat(get("blockFlags")))}
    ${rounds()}
    ${[...Array(8).keys()].map((i) => set(`h${i}`, xor(get(`v${i}`), get(`v${i + 8}`)))).join("\n")}
    ${POINTERS.map((pointer) => set(pointer, `(i32.add ${get(pointer)} ${i32(64)})`)).join("\n")}
    ${set("blockFlags", get("flags"))}
    ${set("bytes", `(i32.sub ${get("bytes")} ${get("blockBytes")})`)}
    (br_if $blocks ${get("bytes")}))
  ${[0, 4]
    .map((start) => {
      const columns = transpose(
        four(0, "m"),
        four(start, "h").map((name) => get(name)),
      );
      const stores = [0, 1, 2, 3].map(
        (lane) => `(v128.store offset=${32 * lane + 4 * start} ${get("out")} ${get(`m${lane}`)})`,
      );
      return [columns, ...stores].join("\n");
    })
    .join("\n")})`;
}
