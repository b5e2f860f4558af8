import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { local, type Pair } from "./pairs.ts";
import { mustFind, proxyCore, startPinned, versionOf } from "./process.ts";

/**
 * How HAProxy is set up: TCP; HTTP/1.1 with a pooled HTTP/1.1 hop between the sidecars, or with an HTTP/2 one, which is its
 * best; or HTTP/2 from client to app.
 */
export type HaproxyKind = "tcp" | "http" | "http-over-h2" | "http2";

const names = { tcp: "haproxy", http: "haproxy", "http-over-h2": "haproxy-h2-hop", http2: "haproxy" } as const;

export interface HaproxyOptions {
  /** How long client and server may be silent. */
  readonly idleTimeoutMs?: number;
  /**
   * For answers with trailers. 2.6.12 ends a whole HTTP/2 connection to a server (INTERNAL_ERROR, which clients hear as
   * REFUSED_STREAM or as a stream without an end) when trailers have to wait behind a body that fills the buffer of their stream,
   * however few streams there are. With buffers of 32 KB and windows of 16 KB no body fills one; of the settings that cure
   * it this one costs the least CPU per call.
   */
  readonly hasTrailers?: boolean;
}

export function haproxyPair(kind: HaproxyKind, options: HaproxyOptions = {}): Pair {
  const { idleTimeoutMs = 60_000, hasTrailers = false } = options;
  return {
    name: names[kind],
    version: () => versionOf([mustFind("haproxy"), "-v"]),
    start(workspace, ports) {
      const config = join(workspace.directory, `haproxy-${kind}.cfg`);
      const tls = `ssl crt ${workspace.bundle} ca-file ${workspace.files.caFile} verify required ssl-min-ver TLSv1.3`;
      const hop = kind === "http2" || kind === "http-over-h2" ? `${tls} alpn h2` : tls;
      const clear = kind === "http2" ? " proto h2" : "";
      const pool = kind === "tcp" ? "" : " pool-max-conn 256";
      const lines = [
        "global",
        " nbthread 1",
        " maxconn 12000",
        // It reckons with two descriptors a connection, which idle ones do not have.
        " no strict-limits",
        ...(hasTrailers ? [" tune.bufsize 32768", " tune.h2.initial-window-size 16384"] : []),
        "defaults",
        ` mode ${kind === "tcp" ? "tcp" : "http"}`,
        " timeout connect 5s",
        ` timeout client ${idleTimeoutMs}ms`,
        ` timeout server ${idleTimeoutMs}ms`,
        ...(kind === "tcp" ? [] : [" http-reuse always"]),
        "frontend out",
        ` bind ${local(ports.listen)}${clear}`,
        " default_backend peer",
        "backend peer",
        ` server p ${local(ports.mesh)} ${hop}${pool}`,
        "frontend in",
        ` bind ${local(ports.mesh)} ${hop}`,
        " default_backend be",
        "backend be",
        ` server b ${local(ports.backend)}${clear}${pool}`,
        "",
      ];
      writeFileSync(config, lines.join("\n"));
      return startPinned({
        name: `haproxy-${kind}`,
        command: [mustFind("haproxy"), "-f", config],
        core: proxyCore,
        readyPort: ports.listen,
        cwd: workspace.directory,
      });
    },
  };
}
