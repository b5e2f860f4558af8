import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { loadCore, mustFind, type Pinned, proxyCore, startPinned, versionOf } from "./process.ts";

/**
 * The same sidecar pair in each proxy: a plain listener, an mTLS 1.3 hop on loopback, and the backend behind it, both
 * hops in one process on one core.
 */
export interface PairPorts {
  readonly listen: number;
  readonly mesh: number;
  readonly admin: number;
  readonly backend: number;
}

export interface Workspace {
  readonly directory: string;
  readonly files: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  /** Certificate and key in one file, as HAProxy wants them. */
  readonly bundle: string;
}

export function createWorkspace(): Workspace {
  const directory = mkdtempSync(join(tmpdir(), "atoll-bench-"));
  const leaf = new TestAuthority().leaf("web");
  const bundle = join(directory, "leaf.pem");
  writeFileSync(bundle, leaf.certPem + leaf.keyPem, { mode: 0o600 });
  return { directory, files: writeLeaf(leaf, directory), bundle };
}

const repository = join(import.meta.dir, "..", "..");
/** The launcher of the sources. */
export const atoll = join(repository, "bin", "atoll");
/** What `npm run build` makes. */
export const executable = join(repository, "dist", "atoll");

export interface Pair {
  readonly name: string;
  readonly version: () => Promise<string>;
  readonly start: (workspace: Workspace, ports: PairPorts) => Promise<Pinned>;
}

type Settings = Readonly<Record<string, unknown>>;

export interface AtollOptions {
  /** `atoll` unless said otherwise; one of several in a run needs its own. */
  readonly name?: string;
  /** The launcher of the sources unless said otherwise. */
  readonly program?: string;
  /** More of both listeners, of one of them, and of the document. */
  readonly settings?: Settings;
  readonly inbound?: Settings;
  readonly outbound?: Settings;
  readonly telemetry?: Settings;
}

/** Ours with its intentions and metrics on. */
export function atollPair(protocol: "http" | "http2" | "grpc" | "tcp", options: AtollOptions = {}): Pair {
  const { name = "atoll", program = atoll, settings = {}, telemetry = {} } = options;
  return {
    name,
    version: () => versionOf([program, "version"]),
    start(workspace, ports) {
      const config = join(workspace.directory, `${fileName(name)}-${protocol}.json`);
      const intentions = {
        default: "deny",
        rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }],
      };
      const common = { service: "web", protocol, ...settings };
      const inbound = {
        ...{ ...common, listen: local(ports.mesh), app: local(ports.backend), intentions },
        ...options.inbound,
      };
      const outbound = {
        ...{ ...common, listen: local(ports.listen), endpoints: [{ address: local(ports.mesh) }] },
        ...options.outbound,
      };
      const admin = { listen: local(ports.admin) };
      const document = { identity: workspace.files, inbound: [inbound], outbound: [outbound], admin, telemetry };
      writeFileSync(config, JSON.stringify(document));
      return startPinned({
        name: fileName(name),
        command: [program, "proxy", "-config", config],
        core: proxyCore,
        readyPort: ports.listen,
        cwd: workspace.directory,
      });
    },
  };
}

/** What of a pair's name can be in the name of a file. */
export function fileName(name: string): string {
  return name.replaceAll(/[^a-z0-9]+/g, "-");
}

export function nginxPair(): Pair {
  return {
    name: "nginx",
    version: () => versionOf([mustFind("nginx"), "-v"]),
    start(workspace, ports) {
      const { certFile, keyFile, caFile } = workspace.files;
      const keep = 'proxy_http_version 1.1; proxy_set_header Connection "";';
      const config = writeNginxConfig(workspace, "nginx-pair", [
        ` upstream be { server ${local(ports.backend)}; keepalive 256; keepalive_requests 1000000000; }`,
        ` upstream peer { server ${local(ports.mesh)}; keepalive 256; keepalive_requests 1000000000; }`,
        ` server { listen ${local(ports.listen)}; location / { proxy_pass https://peer; ${keep}`,
        `  proxy_ssl_certificate ${certFile}; proxy_ssl_certificate_key ${keyFile}; proxy_ssl_trusted_certificate ${caFile};`,
        "  proxy_ssl_verify on; proxy_ssl_name web; proxy_ssl_protocols TLSv1.3; } }",
        ` server { listen ${local(ports.mesh)} ssl; ssl_certificate ${certFile}; ssl_certificate_key ${keyFile};`,
        `  ssl_client_certificate ${caFile}; ssl_verify_client on; ssl_protocols TLSv1.3; location / { proxy_pass http://be; ${keep} } }`,
      ]);
      const command = [mustFind("nginx"), "-p", workspace.directory, "-c", config];
      return startPinned({
        name: "nginx",
        command,
        core: proxyCore,
        readyPort: ports.listen,
        cwd: workspace.directory,
      });
    },
  };
}

/** An nginx configuration with the servers in `httpLines`; one worker, in the foreground, all files in the workspace. */
export function writeNginxConfig(workspace: Workspace, name: string, httpLines: readonly string[]): string {
  const path = join(workspace.directory, `${name}.conf`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => ` ${kind}_temp_path ${workspace.directory}/${name}-${kind};`,
  );
  const lines = [
    ...(process.getuid?.() === 0 ? ["user root;"] : []),
    "worker_processes 1; daemon off;",
    `pid ${workspace.directory}/${name}.pid; error_log ${workspace.directory}/${name}.error;`,
    "events { worker_connections 4096; }",
    "http { access_log off; keepalive_requests 1000000000; client_max_body_size 0;",
    ...temporary,
    ...httpLines,
    "}",
    "",
  ];
  writeFileSync(path, lines.join("\n"));
  return path;
}

export function local(port: number): string {
  return `127.0.0.1:${port}`;
}

/** nginx as the app behind the pairs, with one server of these lines, on the load's core. */
export function startNginxBackend(workspace: Workspace, port: number, lines: readonly string[]): Promise<Pinned> {
  const config = writeNginxConfig(workspace, "backend", lines);
  return startPinned({
    name: "backend",
    command: [mustFind("nginx"), "-p", workspace.directory, "-c", config],
    core: loadCore,
    readyPort: port,
    cwd: workspace.directory,
  });
}

/** 100 bytes, as nginx answers them from its configuration. */
export const smallAnswer =
  "hello from the backend service, one hundred bytes of body text padded to be about this long ok.......\\n";
