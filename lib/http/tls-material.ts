import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext, type SecureContext, type SecureContextOptions, type SecureVersion } from "node:tls";
import { errorMessage } from "../base/errors.ts";
import { AtollError } from "../contract/error-codes.ts";

/** What a TLS listener proves itself with and whom it lets in, as files that are read anew at a reload. */
export interface TlsFiles {
  /** Absolute paths. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile?: string;
  /** A directory whose files are CA certificates. */
  readonly caPath?: string;
  /** Refuse clients without a certificate of the CA. */
  readonly isClientVerified: boolean;
  readonly minVersion: SecureVersion;
  /** As OpenSSL writes a list of them; absent for the defaults. */
  readonly ciphers?: string;
}

export type TlsOptions = Pick<SecureContextOptions, "cert" | "key" | "ca" | "ciphers" | "minVersion">;

/** Reads the files. Throws `CONFIG_INVALID` that names the key and the file that cannot be used. */
export function readTlsContext(files: TlsFiles): SecureContext {
  return contextOf(files, optionsOf(files));
}

/** The same for who makes contexts by itself. */
export function readTlsOptions(files: TlsFiles): TlsOptions {
  const options = optionsOf(files);
  contextOf(files, options);
  return options;
}

function optionsOf(files: TlsFiles): TlsOptions {
  const cert = readPem("cert_file", files.certFile);
  const key = readPem("key_file", files.keyFile);
  const ca = [
    ...(files.caFile === undefined ? [] : [readPem("ca_file", files.caFile)]),
    ...(files.caPath === undefined ? [] : readDirectory(files.caPath)),
  ];
  if (files.isClientVerified && ca.length === 0) {
    throw invalid("verify_incoming is on, so ca_file or ca_path has to say whose client certificates are good");
  }
  return {
    cert,
    key,
    minVersion: files.minVersion,
    ...(ca.length > 0 && { ca }),
    ...(files.ciphers !== undefined && { ciphers: files.ciphers }),
  };
}

function contextOf(files: TlsFiles, options: TlsOptions): SecureContext {
  try {
    return createSecureContext(options);
  } catch (cause) {
    const message = `cert_file ${files.certFile} and key_file ${files.keyFile} cannot be used: ${errorMessage(cause)}`;
    throw new AtollError("CONFIG_INVALID", message, { cause });
  }
}

function readDirectory(path: string): string[] {
  let names: string[];
  try {
    names = readdirSync(path, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => entry.name);
  } catch (cause) {
    throw new AtollError("CONFIG_INVALID", `ca_path ${path} cannot be read: ${errorMessage(cause)}`, { cause });
  }
  return names.toSorted().map((name) => readPem("ca_path", join(path, name)));
}

function readPem(key: string, path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new AtollError("CONFIG_INVALID", `${key} ${path} cannot be read: ${errorMessage(cause)}`, { cause });
  }
  if (text.includes("-----BEGIN ")) return text;
  throw invalid(`${key} ${path} holds no PEM block`);
}

function invalid(message: string): AtollError {
  return new AtollError("CONFIG_INVALID", message);
}
