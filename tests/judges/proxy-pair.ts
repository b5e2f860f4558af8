import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../../tools/free-ports.ts";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { eventually } from "../fakes/eventually.ts";

const atoll = join(import.meta.dir, "..", "..", "bin", "atoll");

/**
 * Two real `atoll proxy` processes, as on two machines: `listen` is web's way to api, `mesh` is api's inbound listener,
 * behind it the app. The default intention denies, web is allowed.
 */
export interface ProxyPair {
  readonly listen: number;
  readonly mesh: number;
  /** Web's own certificate, for who wants to dial `mesh` itself. */
  readonly files: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  /** The metrics of the two proxies. */
  metrics(): Promise<{ readonly outbound: string; readonly inbound: string }>;
  stop(): Promise<void>;
}

/** More of the two listeners, beside and in the place of what the pair has; the outbound one knows where the inbound one is. */
export interface PairSettings {
  readonly inbound?: object;
  readonly outbound?: (mesh: string) => object;
}

export async function startProxyPair(
  protocol: "tcp" | "http" | "http2" | "grpc",
  appPort: number,
  more: PairSettings = {},
): Promise<ProxyPair> {
  const directory = mkdtempSync(join(tmpdir(), "atoll-pair-"));
  const authority = new TestAuthority();
  const [listen = 0, mesh = 0, outAdmin = 0, inAdmin = 0] = await findFreePorts("127.0.0.1", 4);
  const identityOf = (service: string) => {
    const folder = mkdtempSync(join(directory, `${service}-`));
    return writeLeaf(authority.leaf(service), folder);
  };
  const files = identityOf("web");
  const intentions = { default: "deny", rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }] };
  const inbound = { service: "api", listen: local(mesh), app: local(appPort), protocol, intentions, ...more.inbound };
  const endpoints = [{ address: local(mesh) }];
  const outbound = { service: "api", listen: local(listen), protocol, endpoints, ...more.outbound?.(local(mesh)) };
  const children = [
    start(directory, "inbound", {
      identity: identityOf("api"),
      inbound: [inbound],
      admin: { listen: local(inAdmin) },
    }),
    start(directory, "outbound", { identity: files, outbound: [outbound], admin: { listen: local(outAdmin) } }),
  ];
  const stop = async (): Promise<void> => {
    for (const child of children) child.kill("SIGKILL");
    for (const child of children) await child.exited;
    rmSync(directory, { recursive: true, force: true });
  };
  const ask = async (admin: number, path: string): Promise<Response> =>
    await fetch(`http://${local(admin)}${path}`, { keepalive: false });
  const isReady = async (admin: number): Promise<boolean> => {
    if (children.some((child) => child.exitCode !== null)) throw new Error("a proxy ended before it was ready");
    return await ask(admin, "/ready").then(
      (answer) => answer.ok,
      () => false,
    );
  };
  try {
    for (const admin of [inAdmin, outAdmin]) await eventually("a proxy to be ready", () => isReady(admin));
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  const metricsOf = async (admin: number): Promise<string> => await (await ask(admin, "/metrics")).text();
  return {
    listen,
    mesh,
    files,
    metrics: async () => ({ outbound: await metricsOf(outAdmin), inbound: await metricsOf(inAdmin) }),
    stop,
  };
}

function start(directory: string, name: string, document: unknown) {
  const config = join(directory, `${name}.json`);
  writeFileSync(config, JSON.stringify(document));
  return Bun.spawn([atoll, "proxy", "-config", config], { stdout: "ignore", stderr: "inherit" });
}

function local(port: number): string {
  return `127.0.0.1:${port}`;
}
