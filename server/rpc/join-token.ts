/**
 * The token that lets an agent join: `<sha256 of the root certificate>.<secret>`. The first half tells the agent which
 * cluster to trust before it says the second half, which tells the server to trust the agent.
 */
import { createHash, timingSafeEqual, X509Certificate } from "node:crypto";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../../lib/base/durable-file.ts";
import { systemErrorCode } from "../../lib/base/errors.ts";
import type { Random } from "../../lib/base/random.ts";
import { certificateHash } from "../../lib/x509/certificate.ts";

const secretBytes = 32;
const tokenPattern = /^[0-9a-f]{64}\.([0-9a-f]{32,256})$/;

export interface JoinTokenOptions {
  /** Absent for a server that keeps nothing: its token lives as long as the process. */
  readonly dataDir?: string;
  readonly rootPem: string;
  readonly random: Random;
}

/**
 * The token of this server, kept in `<data-dir>/join-token` (0600). A secret that is there stays; the hash follows the
 * root.
 */
export async function loadJoinToken(options: JoinTokenOptions): Promise<string> {
  const hash = certificateHash(new X509Certificate(options.rootPem));
  const fresh = (): string => `${hash}.${Buffer.from(options.random.bytes(secretBytes)).toString("hex")}`;
  if (options.dataDir === undefined) return fresh();
  const path = join(options.dataDir, "join-token");
  const stored = tokenPattern.exec((await readIfPresent(path))?.trim() ?? "");
  const token = stored === null ? fresh() : `${hash}.${stored[1]}`;
  if (token === stored?.[0]) {
    await chmod(path, 0o600);
    return token;
  }
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  await replaceFile({ path, content: `${token}\n`, mode: 0o600, isDurable: true });
  return token;
}

/** Makes the token that a server joined with its own, so that all servers of a cluster ask for the same secret. */
export async function keepJoinToken(options: { readonly dataDir: string; readonly joinToken: string }): Promise<void> {
  const path = join(options.dataDir, "join-token");
  if ((await readIfPresent(path)) !== undefined) return;
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  await replaceFile({ path, content: `${options.joinToken.trim()}\n`, mode: 0o600, isDurable: true });
}

/**
 * Whether two join tokens have the same secret, in a time that says nothing about where they differ. Which root the first half names
 * is for whoever joins to judge; it may be one that signs no more.
 */
export function hasSameSecret(a: string, b: string): boolean {
  const digest = (token: string): Buffer =>
    createHash("sha256")
      .update(token.slice(token.indexOf(".") + 1))
      .digest();
  return timingSafeEqual(digest(a), digest(b));
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}
