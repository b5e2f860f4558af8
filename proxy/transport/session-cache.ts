import type { ClientTls, TlsIdentity } from "./transport.ts";

const maxSessions = 512;

interface Entry {
  readonly identity: TlsIdentity;
  readonly session: Buffer;
}

/**
 * TLS 1.3 sessions of callees (RFC 8446, 2.2), about 2 KB each, so that the next connection to one costs no signatures: the newest per
 * address, server name and protocols; the longest unused goes first. A session rests on how the certificates were judged when it began, so it is used
 * with that very identity only: a renewed leaf or changed roots mean a full handshake.
 */
export class SessionCache {
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, identity: TlsIdentity): Buffer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.identity !== identity) return undefined;
    this.#entries.set(key, entry);
    return entry.session;
  }

  set(key: string, identity: TlsIdentity, session: Buffer): void {
    this.#entries.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < maxSessions) break;
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, { identity, session });
  }

  /** After a failure: the next attempt begins anew. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}

export function sessionKey(host: string, port: number, { serverName, alpn = [] }: ClientTls): string {
  return `${host}:${port} ${serverName} ${alpn.join()}`;
}
