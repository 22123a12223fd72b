/**
 * The key exchange of pairing: OPAQUE (RFC 9807), whose password is the secret part of the code. Both sides get the same key only if both
 * know the code and mean the same two nodes. Who listens learns nothing to try codes against; who stands in between, or answers without
 * knowing the code, gets one guess for each time the other side types it.
 *
 * The inviter plays the server, and registers the code with itself anew for every try: only then does it know whose name to bind.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import type * as Opaque from "@serenity-kit/opaque";
import { type NodeId, SwarmError } from "@swarmd/protocol";

/**
 * What stretching would slow down is guessing at a stolen registration. There is none to steal: it lives for one try, in memory. So
 * the least that is recommended (RFC 9106 by way of OWASP: 19 MiB, 2 passes), which takes some 50 ms.
 */
const STRETCHING = { "argon2id-custom": { iterations: 2, memory: 19_456, parallelism: 1 } } as const;
const USER = "swarmd pairing 1";
const NONCE = Buffer.alloc(12);
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** Whom the conversation is between, as each side believes. */
export interface Pair {
  readonly inviter: NodeId;
  readonly joiner: NodeId;
}

/** Two keys, one for each direction; each seals one message. */
export interface PairKeys {
  readonly toInviter: Buffer;
  readonly toJoiner: Buffer;
}

/** The inviter's side of one try. */
export interface InviterTurn {
  readonly challenge: Uint8Array;
  /** `undefined`: the other side does not know the code. */
  finish(login: Uint8Array): PairKeys | undefined;
}

/** The joiner's side. */
export interface JoinerTurn {
  readonly login: Uint8Array;
  /** `undefined`: the other side does not know the code, or it means another pair of nodes. */
  finish(pair: Pair, challenge: Uint8Array): { readonly login: Uint8Array; readonly keys: PairKeys } | undefined;
}

/** @throws SwarmError PEER_FAULT when `login` is no first message */
export async function answerLogin(secret: string, pair: Pair, login: Uint8Array): Promise<InviterTurn> {
  const { client, server } = await load();
  const identifiers = identifiersOf(pair);
  const serverSetup = server.createSetup();
  const { clientRegistrationState, registrationRequest } = client.startRegistration({ password: secret });
  const request = { serverSetup, userIdentifier: USER, registrationRequest };
  const { registrationResponse } = server.createRegistrationResponse(request);
  const { registrationRecord } = client.finishRegistration({
    password: secret,
    registrationResponse,
    clientRegistrationState,
    identifiers,
    keyStretching: STRETCHING,
  });
  const { serverLoginState, loginResponse } = readOrFault(() =>
    server.startLogin({
      serverSetup,
      registrationRecord,
      startLoginRequest: toText(login),
      userIdentifier: USER,
      identifiers,
    }),
  );
  return {
    challenge: toBytes(loginResponse),
    finish(last) {
      try {
        const { sessionKey } = server.finishLogin({ serverLoginState, finishLoginRequest: toText(last), identifiers });
        return deriveKeys(sessionKey, pair);
      } catch {
        return undefined;
      }
    },
  };
}

export async function startLogin(secret: string): Promise<JoinerTurn> {
  const { client } = await load();
  const { clientLoginState, startLoginRequest } = client.startLogin({ password: secret });
  return {
    login: toBytes(startLoginRequest),
    finish(pair, challenge) {
      const finished = readOrFault(() =>
        client.finishLogin({
          clientLoginState,
          loginResponse: toText(challenge),
          password: secret,
          identifiers: identifiersOf(pair),
          keyStretching: STRETCHING,
        }),
      );
      if (finished === undefined) return undefined;
      return { login: toBytes(finished.finishLoginRequest), keys: deriveKeys(finished.sessionKey, pair) };
    },
  };
}

/** Encrypts one message; a key seals no second one. */
export function seal(key: Buffer, message: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", key, NONCE);
  return Buffer.concat([cipher.update(message), cipher.final(), cipher.getAuthTag()]);
}

/** @throws SwarmError PEER_FAULT when it was not sealed with this key */
export function unseal(key: Buffer, sealed: Uint8Array): Uint8Array {
  try {
    const at = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv("aes-256-gcm", key, NONCE, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(at));
    return Buffer.concat([decipher.update(sealed.subarray(0, at)), decipher.final()]);
  } catch (cause) {
    throw new SwarmError("PEER_FAULT", "a sealed message that does not open", { cause });
  }
}

function deriveKeys(sessionKey: string, { inviter, joiner }: Pair): PairKeys {
  const derive = (direction: string) =>
    Buffer.from(hkdfSync("sha256", toBytes(sessionKey), `${inviter} ${joiner}`, `${USER} ${direction}`, KEY_BYTES));
  return { toInviter: derive("to inviter"), toJoiner: derive("to joiner") };
}

function identifiersOf({ inviter, joiner }: Pair) {
  return { client: `joiner ${joiner}`, server: `inviter ${inviter}` };
}

/** Half a megabyte of WASM: loaded by the few runs that pair. */
async function load(): Promise<typeof Opaque> {
  const opaque = await import("@serenity-kit/opaque");
  await opaque.ready;
  return opaque;
}

function readOrFault<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    throw new SwarmError("PEER_FAULT", "a message of the key exchange that makes no sense", { cause });
  }
}

function toBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64url"));
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
