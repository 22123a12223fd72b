/** The certificate of a node's TLS lane: made at start, kept in memory only, known to peers by its hash. */
import { X509Certificate } from "node:crypto";

export interface LaneCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Of the certificate, 64 hex digits: what peers pin. */
  readonly sha256: string;
}

/** Longer than any node runs without a restart; peers go by the hash and look at no date. */
const VALID_DAYS = 3650;

/** Makes a new self-signed certificate with its own P-256 key. */
export async function makeLaneCertificate(): Promise<LaneCertificate> {
  // Loaded only here: most nodes never need it.
  const { generate } = await import("selfsigned");
  const notAfterDate = new Date(Date.now() + VALID_DAYS * 86_400_000);
  const made = await generate([{ name: "commonName", value: "swarmd" }], {
    keyType: "ec",
    curve: "P-256",
    notAfterDate,
  });
  return {
    certificatePem: made.cert,
    keyPem: made.private,
    sha256: new X509Certificate(made.cert).fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}
