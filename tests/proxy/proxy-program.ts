import { join } from "node:path";

/** `atoll proxy` as its user runs it, for tests of real processes. */
const atoll = join(import.meta.dir, "..", "..", "bin", "atoll");

/** The program with its output to be read. */
export interface ProxyProgram {
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** Kills it, whatever it does. */
  end(): Promise<void>;
}

export function runProxy(args: readonly string[]): ProxyProgram {
  const child = Bun.spawn([atoll, "proxy", ...args], { stdout: "pipe", stderr: "pipe" });
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return { child, end };
}

/** The status of an answer; 0 when there is none. */
export async function statusOf(url: string, init: RequestInit = {}): Promise<number> {
  try {
    const answer = await fetch(url, { ...init, keepalive: false });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return 0;
  }
}

export interface SidecarPorts {
  readonly listen: number;
  readonly mesh: number;
  readonly admin: number;
  readonly app: number;
}

/** Both sides of one service in one proxy: `web` calls itself through the mesh. */
export function selfCall(files: object, ports: SidecarPorts, action: "allow" | "deny" = "allow"): object {
  const web = { service: "web", protocol: "http" };
  const intentions = { default: "deny", rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action }] };
  return {
    identity: files,
    inbound: [{ ...web, listen: local(ports.mesh), app: local(ports.app), intentions }],
    outbound: [{ ...web, listen: local(ports.listen), endpoints: [{ address: local(ports.mesh) }] }],
    admin: { listen: local(ports.admin) },
  };
}

function local(port: number): string {
  return `127.0.0.1:${port}`;
}
