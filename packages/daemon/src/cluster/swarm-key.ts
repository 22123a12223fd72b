/** The secret of a cluster, in the form that libp2p programs share. */
import { createHash, randomBytes } from "node:crypto";
import { SwarmError } from "@swarmd/protocol";
import { isSwarmKey } from "@swarmd/protocol/wire";

const HEAD = "/key/swarm/psk/1.0.0/\n/base16/\n";
const KEY_BYTES = 32;
/** Enough that no two clusters of one LAN are called the same. */
const PUBLIC_NAME_DIGITS = 16;

export function makeSwarmKey(): string {
  return HEAD + randomBytes(KEY_BYTES).toString("hex");
}

/** A key from a file, with whatever line ends it has. @throws SwarmError USAGE, which does not show it */
export function parseSwarmKey(text: string): string {
  const clean = text.replaceAll("\r\n", "\n").trim();
  const key = clean.replace(/[0-9a-fA-F]{64}$/, (digits) => digits.toLowerCase());
  if (isSwarmKey(key)) return key;
  throw new SwarmError("USAGE", "that is no libp2p swarm key", {
    hint: "It has three lines: /key/swarm/psk/1.0.0/, /base16/, and 64 hex digits.",
  });
}

/** What others may see: it names the topic and the mDNS service. */
export function publicNameOf(swarmKey: string): string {
  return digest("swarmd cluster, public name", swarmKey).slice(0, PUBLIC_NAME_DIGITS);
}

/** The cluster's id, made of its first key: two nodes that were given the same key by hand agree on it. */
export function clusterIdOf(swarmKey: string): string {
  return digest("swarmd cluster, id", swarmKey).slice(0, 32);
}

function digest(purpose: string, swarmKey: string): string {
  return createHash("sha256").update(`${purpose}\0${swarmKey}`).digest("hex");
}
