/**
 * Tickets that hold all they stand for, closed: whoever has one brings back what we need to know of him, and we keep nothing. Good for
 * as long as this process runs, at most.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const KEY = randomBytes(32);
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param untilMs Unix time */
export function sealTicket(content: unknown, untilMs: number): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", KEY, nonce);
  const sealed = Buffer.concat([cipher.update(JSON.stringify({ content, untilMs })), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
}

/** `undefined` for what we did not seal, or too long ago. */
export function openTicket(ticket: string, nowMs: number): unknown {
  const bytes = Buffer.from(ticket, "base64url");
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined;
  try {
    const cipher = createDecipheriv("aes-256-gcm", KEY, bytes.subarray(0, NONCE_BYTES));
    cipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const text = Buffer.concat([cipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), cipher.final()]).toString();
    const { content, untilMs } = JSON.parse(text) as { content: unknown; untilMs: number };
    return untilMs > nowMs ? content : undefined;
  } catch {
    return undefined;
  }
}
