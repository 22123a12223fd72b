/** Asks a running daemon over the socket in its state folder, as `swarm` does, but without a process per question. */
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { SOCKET_NAME, SwarmError } from "@swarmd/protocol";
import { API_HOSTS, type ApiClient, createApiClient } from "@swarmd/protocol/api";

export interface AskOptions {
  readonly signal: AbortSignal;
}

/** Whatever goes wrong on the way is DAEMON_UNREACHABLE. */
export function daemonClient(stateDir: string): ApiClient<AskOptions> {
  const socketPath = join(stateDir, SOCKET_NAME);
  return createApiClient(
    ({ method, path, body }, { signal }) =>
      new Promise((resolve, reject) => {
        const fail = (cause: Error) =>
          reject(new SwarmError("DAEMON_UNREACHABLE", `${socketPath}: ${cause.message}`, { cause }));
        const headers = {
          host: API_HOSTS[0] as string,
          connection: "close",
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        };
        const outgoing = httpRequest({ createConnection: () => connect(socketPath), method, path, headers, signal });
        outgoing.on("error", fail);
        outgoing.once("response", (response) => {
          response.setEncoding("utf8");
          resolve({ status: response.statusCode ?? 0, body: response });
        });
        outgoing.end(body);
      }),
  );
}
