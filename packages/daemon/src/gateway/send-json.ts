import type { OutgoingHttpHeaders } from "node:http";
import type { GatewayCall } from "./route-table.js";

/** One JSON value, whole. */
export function sendJson(
  { response, isHead }: GatewayCall,
  status: number,
  value: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": body.length,
    ...headers,
  });
  response.end(isHead ? undefined : body);
}
