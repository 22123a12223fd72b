/**
 * The code that a person carries from one machine to another: 8 characters of Crockford's base 32 in two groups, such as `K7QM-3XW9`.
 *
 * The first two name the invitation, so that a node that looks for it asks the right one; they are no secret. The other six are: 30 bits,
 * of which three tries find one in 358 million.
 */
import { randomInt } from "node:crypto";
import { SwarmError } from "@swarmd/protocol";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TAG_LENGTH = 2;
const SECRET_LENGTH = 6;
const LENGTH = TAG_LENGTH + SECRET_LENGTH;
/** Letters that look like digits, read as what they look like. */
const LOOKALIKES: Readonly<Record<string, string>> = { O: "0", I: "1", L: "1" };

export interface PairCode {
  /** As people see it. */
  readonly text: string;
  readonly tag: string;
  readonly secret: string;
}

export function makePairCode(): PairCode {
  let characters = "";
  while (characters.length < LENGTH) characters += ALPHABET[randomInt(ALPHABET.length)];
  return toCode(characters);
}

/** Takes small letters, missing or additional dashes and spaces, and O, I and L. @throws SwarmError USAGE */
export function parsePairCode(text: string): PairCode {
  const characters = text
    .toUpperCase()
    .replace(/[\s-]/g, "")
    .replace(/[OIL]/g, (letter) => LOOKALIKES[letter] as string);
  const isCode = characters.length === LENGTH && [...characters].every((one) => ALPHABET.includes(one));
  if (isCode) return toCode(characters);
  throw new SwarmError("USAGE", "that is no code", {
    hint: "A code has 8 letters and digits, such as K7QM-3XW9; swarm cluster invite makes one.",
  });
}

function toCode(characters: string): PairCode {
  const half = LENGTH / 2;
  return {
    text: `${characters.slice(0, half)}-${characters.slice(half)}`,
    tag: characters.slice(0, TAG_LENGTH),
    secret: characters.slice(TAG_LENGTH),
  };
}
