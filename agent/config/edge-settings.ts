/** What a person set about TLS on a listener. */
export interface TlsSettings {
  readonly caFile?: string;
  readonly caPath?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly verifyIncoming?: boolean;
  readonly tlsMinVersion?: string;
  readonly tlsCipherSuites?: string;
}

/** What a person set about the listeners of gRPC; defaults come later, in grpc-options.ts. */
export interface GrpcSettings extends TlsSettings {
  /** As written: addresses with spaces between. */
  readonly addresses?: string;
  readonly tlsAddresses?: string;
  readonly port?: number;
  readonly tlsPort?: number;
}

/** What a person set about the listeners of the HTTP API; defaults come later, in edge-options.ts. */
export interface EdgeSettings extends TlsSettings {
  /** As written: addresses or `unix://` paths with spaces between. */
  readonly httpAddresses?: string;
  readonly httpsAddresses?: string;
  readonly httpsPort?: number;
  readonly socketUser?: string;
  readonly socketGroup?: string;
  /** Octal digits. */
  readonly socketMode?: string;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  readonly blockEndpoints?: readonly string[];
  readonly allowWriteFrom?: readonly string[];
  readonly maxHeaderBytes?: number;
  readonly maxConnsPerClient?: number;
  readonly handshakeTimeout?: string;
}

/** What a person set about the process: its log file, its pid file and its signals. */
export interface ProcessSettings {
  readonly pidFile?: string;
  readonly logFile?: string;
  readonly logRotateDuration?: string;
  readonly logRotateBytes?: number;
  readonly logRotateMaxFiles?: number;
  readonly skipLeaveOnInterrupt?: boolean;
}
