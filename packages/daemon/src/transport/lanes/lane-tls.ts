/** How the lane speaks TLS, on both sides. */

/** Nothing older is spoken, so nothing older can be asked for. AES-128 first: as safe here as AES-256, and faster. */
export const LANE_TLS = {
  minVersion: "TLSv1.3",
  ciphers: "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
} as const;
