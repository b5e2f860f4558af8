import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { mustFind, type Pinned, proxyCore, startPinned, versionOf } from "./process.ts";

/**
 * The same sidecar pair in each proxy: a plain listener, an mTLS 1.3 hop on loopback, and the backend behind it, both
 * hops in one process on one core.
 */
export interface PairPorts {
  readonly listen: number;
  readonly mesh: number;
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

export interface Pair {
  readonly name: string;
  readonly version: () => Promise<string>;
  readonly start: (workspace: Workspace, ports: PairPorts) => Promise<Pinned>;
}

export function atollPair(protocol: "http" | "tcp"): Pair {
  return {
    name: "atoll",
    version: () => versionOf([join(repository, "bin", "atoll"), "version"]),
    start(workspace, ports) {
      const config = join(workspace.directory, `atoll-${protocol}.json`);
      const intentions = {
        default: "deny",
        rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }],
      };
      const inbound = { service: "web", listen: local(ports.mesh), app: local(ports.backend), protocol, intentions };
      const outbound = {
        service: "web",
        listen: local(ports.listen),
        protocol,
        endpoints: [{ address: local(ports.mesh) }],
      };
      const admin = { listen: local(ports.mesh + 1000) };
      writeFileSync(
        config,
        JSON.stringify({ identity: workspace.files, inbound: [inbound], outbound: [outbound], admin }),
      );
      const command = [join(repository, "bin", "atoll"), "proxy", "-config", config];
      return startPinned({
        name: "atoll",
        command,
        core: proxyCore,
        readyPort: ports.listen,
        cwd: workspace.directory,
      });
    },
  };
}

export function haproxyPair(protocol: "http" | "tcp"): Pair {
  return {
    name: "haproxy",
    version: () => versionOf([mustFind("haproxy"), "-v"]),
    start(workspace, ports) {
      const config = join(workspace.directory, `haproxy-${protocol}.cfg`);
      const tls = `ssl crt ${workspace.bundle} ca-file ${workspace.files.caFile} verify required ssl-min-ver TLSv1.3`;
      const isHttp = protocol === "http";
      const lines = [
        "global",
        " nbthread 1",
        " maxconn 8192",
        "defaults",
        ` mode ${protocol}`,
        " timeout connect 5s",
        " timeout client 60s",
        " timeout server 60s",
        ...(isHttp ? [" http-reuse always"] : []),
        "frontend out",
        ` bind ${local(ports.listen)}`,
        " default_backend peer",
        "backend peer",
        ` server p ${local(ports.mesh)} ${tls}${isHttp ? " pool-max-conn 256" : ""}`,
        "frontend in",
        ` bind ${local(ports.mesh)} ${tls}`,
        " default_backend be",
        "backend be",
        ` server b ${local(ports.backend)}${isHttp ? " pool-max-conn 256" : ""}`,
        "",
      ];
      writeFileSync(config, lines.join("\n"));
      const command = [mustFind("haproxy"), "-f", config];
      return startPinned({
        name: "haproxy",
        command,
        core: proxyCore,
        readyPort: ports.listen,
        cwd: workspace.directory,
      });
    },
  };
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
