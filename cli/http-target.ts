import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/**
 * Where a command's HTTP API is and how it is asked: from flags, then from ATOLL_* and CONSUL_* variables, with Consul's
 * names for both.
 */
export const httpFlags = {
  "http-addr": {
    type: "string",
    placeholder: "address",
    summary:
      "The HTTP API to ask, as host:port, http://host:port, https://host:port or unix:///path. By default ATOLL_HTTP_ADDR or CONSUL_HTTP_ADDR, or 127.0.0.1:8500.",
  },
  token: {
    type: "string",
    placeholder: "secret",
    summary:
      "ACL token of the requests; by default ATOLL_HTTP_TOKEN or CONSUL_HTTP_TOKEN. Other users of this machine can see flags: prefer the file.",
  },
  "token-file": {
    type: "string",
    placeholder: "path",
    summary: "Read the token from this file; by default from ATOLL_HTTP_TOKEN_FILE or CONSUL_HTTP_TOKEN_FILE.",
  },
  datacenter: { type: "string", placeholder: "name", summary: "Datacenter to ask; by default that of the agent." },
  stale: { type: "boolean", summary: "Ask any server, also when there is no leader." },
  "ca-file": {
    type: "string",
    placeholder: "path",
    summary: "CA certificates that the API's certificate is checked against; by default ATOLL_CACERT or CONSUL_CACERT.",
  },
  "ca-path": {
    type: "string",
    placeholder: "path",
    summary: "A directory of such files; by default ATOLL_CAPATH or CONSUL_CAPATH.",
  },
  "client-cert": {
    type: "string",
    placeholder: "path",
    summary: "Client certificate to show; by default ATOLL_CLIENT_CERT or CONSUL_CLIENT_CERT.",
  },
  "client-key": {
    type: "string",
    placeholder: "path",
    summary: "Its private key; by default ATOLL_CLIENT_KEY or CONSUL_CLIENT_KEY.",
  },
  "tls-server-name": {
    type: "string",
    placeholder: "name",
    summary:
      "Name to expect in the API's certificate; by default ATOLL_TLS_SERVER_NAME or CONSUL_TLS_SERVER_NAME, or the host.",
  },
  namespace: { type: "string", placeholder: "name", summary: "Refused: only Consul Enterprise has namespaces." },
  partition: { type: "string", placeholder: "name", summary: "Refused: only Consul Enterprise has partitions." },
} as const;

/** Values of {@link httpFlags} as parsed; a command that takes fewer of them leaves the others out. */
export type HttpFlagValues = {
  readonly [Name in keyof typeof httpFlags]?: (Name extends "stale" ? boolean : string) | undefined;
};

export type Env = Readonly<Record<string, string | undefined>>;

export interface HttpTarget {
  /** `http:` or `https:`; its path is put before every request's. For a socket its host is `localhost`. */
  readonly base: URL;
  readonly socketPath?: string;
  /** As a person wrote it, for messages. */
  readonly shown: string;
  /** Empty for none. */
  readonly token: string;
  /** `user:password`, or empty. */
  readonly basicAuth: string;
  readonly datacenter: string;
  readonly isStale: boolean;
  readonly tls: {
    readonly ca?: string[];
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
    readonly rejectUnauthorized: boolean;
  };
}

const defaultAddress = "127.0.0.1:8500";

/** Throws `INVALID_ARGUMENT` that names the flag, or `CONFIG_INVALID` that names the file, that cannot be used. */
export function readHttpTarget(flags: HttpFlagValues, env: Env): HttpTarget {
  for (const what of ["namespace", "partition"] as const) {
    const value = flags[what] ?? variable(env, what.toUpperCase());
    if (value !== undefined && value !== "" && value !== "default") {
      throw new AtollError("INVALID_ARGUMENT", `-${what}=${value}: only Consul Enterprise has ${what}s, leave it out`);
    }
  }
  const address = flags["http-addr"] ?? variable(env, "HTTP_ADDR") ?? defaultAddress;
  const tokenFile = flags["token-file"] ?? (flags.token === undefined ? variable(env, "HTTP_TOKEN_FILE") : undefined);
  return {
    ...readAddress(address === "" ? defaultAddress : address, isYes(variable(env, "HTTP_SSL"))),
    token: tokenFile === undefined ? (flags.token ?? variable(env, "HTTP_TOKEN") ?? "") : readText(tokenFile).trim(),
    basicAuth: variable(env, "HTTP_AUTH") ?? "",
    datacenter: flags.datacenter ?? "",
    isStale: flags.stale ?? false,
    tls: readTls(flags, env),
  };
}

function readTls(flags: HttpFlagValues, env: Env): HttpTarget["tls"] {
  const caFile = flags["ca-file"] ?? variable(env, "CACERT");
  const caPath = flags["ca-path"] ?? variable(env, "CAPATH");
  const certFile = flags["client-cert"] ?? variable(env, "CLIENT_CERT");
  const keyFile = flags["client-key"] ?? variable(env, "CLIENT_KEY");
  const servername = flags["tls-server-name"] ?? variable(env, "TLS_SERVER_NAME");
  const ca = [...(caFile ? [readText(caFile)] : []), ...(caPath ? readDirectory(caPath) : [])];
  const verify = variable(env, "HTTP_SSL_VERIFY");
  return {
    ...(ca.length > 0 && { ca }),
    ...(certFile && { cert: readText(certFile) }),
    ...(keyFile && { key: readText(keyFile) }),
    ...(servername && { servername }),
    rejectUnauthorized: verify === undefined || isYes(verify),
  };
}

/** Ours wins over Consul's; an empty one counts as not set. */
function variable(env: Env, name: string): string | undefined {
  return [env[`ATOLL_${name}`], env[`CONSUL_${name}`]].find((value) => value !== undefined && value !== "");
}

function isYes(text: string | undefined): boolean {
  return text !== undefined && ["1", "t", "true"].includes(text.toLowerCase());
}

function readAddress(address: string, isTls: boolean): Pick<HttpTarget, "base" | "socketPath" | "shown"> {
  const socketPath = /^unix:\/\/(.+)$/.exec(address)?.[1];
  if (socketPath !== undefined) return { base: new URL("http://localhost"), socketPath, shown: address };
  const scheme = isTls ? "https" : "http";
  const text = /^[a-z]+:\/\//.test(address) ? address : `${scheme}://${address}`;
  try {
    const base = new URL(isTls ? text.replace(/^http:/, "https:") : text);
    if ((base.protocol === "http:" || base.protocol === "https:") && base.hostname !== "") {
      return { base, shown: base.origin };
    }
  } catch {
    // Said below.
  }
  throw new AtollError("INVALID_ARGUMENT", `HTTP address "${address}" is none: give host:port or http://host:port`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new AtollError("CONFIG_INVALID", `cannot read ${path}: ${errorMessage(cause)}`, { cause });
  }
}

function readDirectory(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => readText(join(path, entry.name)));
  } catch (cause) {
    throw new AtollError("CONFIG_INVALID", `cannot read the directory ${path}: ${errorMessage(cause)}`, { cause });
  }
}
