/** nginx, as fast as it goes: what file servers are measured against. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

export interface Nginx {
  readonly port: number;
  stop(): Promise<void>;
}

/** Serves `root`, with sendfile; `folder` is for its own files. The caller has made sure that there is an nginx. */
export async function startNginx(folder: string, root = folder): Promise<Nginx> {
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(" ");
  const config = `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log; events {}
    http { access_log off; sendfile on; tcp_nopush on; ${temporary}
    server { listen 127.0.0.1:${port}; root ${root}; } }`;
  // As root, nginx gives its worker another user, who must be able to read here.
  const user = process.getuid?.() === 0 ? "user root; " : "";
  await writeFile(join(folder, "nginx.conf"), user + config);
  const child = spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "nginx.log")], {
    stdio: "inherit",
  });
  const exited = once(child, "exit");
  await waitForPort(port);
  return {
    port,
    async stop() {
      child.kill();
      await exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function waitForPort(port: number): Promise<void> {
  for (const deadlineMs = performance.now() + 5_000; ; ) {
    const { status } = spawnSync("curl", ["-s", "-o", "/dev/null", `http://127.0.0.1:${port}/`]);
    if (status === 0) return;
    if (performance.now() > deadlineMs) throw new Error("nginx does not start");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
