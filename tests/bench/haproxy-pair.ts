import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileName, local, type Pair } from "./pairs.ts";
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
   * however few streams there are. With buffers of 64 KB and windows of 16 KB no body fills one (0 of 75 runs; 5 of 25 with
   * buffers of 32 KB on a fast machine); a message costs the same CPU with both.
   */
  readonly hasTrailers?: boolean;
  /** As its kind is called unless said otherwise; one of several in a run needs its own. */
  readonly name?: string;
  readonly more?: HaproxyLines;
}

/** More lines of each section of the pair, words behind the server of the hop, and whole sections. */
export interface HaproxyLines {
  readonly defaults?: readonly string[];
  readonly out?: readonly string[];
  readonly peer?: readonly string[];
  readonly peerServer?: string;
  readonly in?: readonly string[];
  readonly sections?: readonly string[];
}

export function haproxyPair(kind: HaproxyKind, options: HaproxyOptions = {}): Pair {
  const { idleTimeoutMs = 60_000, hasTrailers = false, name = names[kind], more = {} } = options;
  const file = name === names[kind] ? `haproxy-${kind}` : fileName(name);
  return {
    name,
    version: () => versionOf([mustFind("haproxy"), "-v"]),
    start(workspace, ports) {
      const config = join(workspace.directory, `${file}.cfg`);
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
        ...(hasTrailers ? [" tune.bufsize 65536", " tune.h2.initial-window-size 16384"] : []),
        "defaults",
        ` mode ${kind === "tcp" ? "tcp" : "http"}`,
        " timeout connect 5s",
        ` timeout client ${idleTimeoutMs}ms`,
        ` timeout server ${idleTimeoutMs}ms`,
        ...(kind === "tcp" ? [] : [" http-reuse always"]),
        ...(more.defaults ?? []),
        "frontend out",
        ` bind ${local(ports.listen)}${clear}`,
        ...(more.out ?? []),
        " default_backend peer",
        "backend peer",
        ...(more.peer ?? []),
        ` server p ${local(ports.mesh)} ${hop}${pool} ${more.peerServer ?? ""}`,
        "frontend in",
        ` bind ${local(ports.mesh)} ${hop}`,
        ...(more.in ?? []),
        " default_backend be",
        "backend be",
        ` server b ${local(ports.backend)}${clear}${pool}`,
        ...(more.sections ?? []),
        "",
      ];
      writeFileSync(config, lines.join("\n"));
      return startPinned({
        name: file,
        command: [mustFind("haproxy"), "-f", config],
        core: proxyCore,
        readyPort: ports.listen,
        cwd: workspace.directory,
      });
    },
  };
}
