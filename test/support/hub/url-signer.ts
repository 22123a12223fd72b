/** Signed, expiring URLs of the CDN listener. Everything needed to serve one is in the URL itself. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** What a signed URL gives access to. */
export interface Grant {
  /** `HubRepo.urlPath`. */
  readonly repo: string;
  readonly commit: string;
  readonly path: string;
}

interface Policy extends Grant {
  readonly expiresMs: number;
  /** Makes each URL its own, so that one can expire before its time. */
  readonly nonce: string;
}

export type Opened = { readonly grant: Grant; readonly nonce: string } | { readonly refusal: "expired" | "invalid" };

export class UrlSigner {
  #secret = randomBytes(32);
  #expired = new Set<string>();

  /** The query that opens this file for `ttlMs`. */
  sign(grant: Grant, ttlMs: number): URLSearchParams {
    const policy: Policy = { ...grant, expiresMs: Date.now() + ttlMs, nonce: randomBytes(9).toString("base64url") };
    const text = Buffer.from(JSON.stringify(policy)).toString("base64url");
    return new URLSearchParams({
      Policy: text,
      Signature: this.#hmac(text).toString("base64url"),
      "Key-Pair-Id": "HUB",
    });
  }

  open(query: URLSearchParams): Opened {
    const text = query.get("Policy") ?? "";
    const given = Buffer.from(query.get("Signature") ?? "", "base64url");
    const right = this.#hmac(text);
    if (given.length !== right.length || !timingSafeEqual(given, right)) return { refusal: "invalid" };
    const { expiresMs, nonce, ...grant } = JSON.parse(Buffer.from(text, "base64url").toString()) as Policy;
    if (expiresMs <= Date.now() || this.#expired.has(nonce)) return { refusal: "expired" };
    return { grant, nonce };
  }

  /** From now on this URL is refused. */
  expire(nonce: string): void {
    this.#expired.add(nonce);
  }

  #hmac(text: string): Buffer {
    return createHmac("sha256", this.#secret).update(text).digest();
  }
}
