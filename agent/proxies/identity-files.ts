import { createHash } from "node:crypto";
import { access, mkdir, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../../lib/base/durable-file.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import type { CaRootsValue } from "../../lib/contract/topics.ts";
import type { LeafCertificate } from "../agent-api.ts";

/**
 * The certificate files of one proxy. Their names carry the leaf's serial number and digests of the content, so that a
 * configuration names exactly the files it means, also while a newer one is on its way.
 */
export async function writeIdentityFiles(
  directory: string,
  identity: { readonly leaf: LeafCertificate; readonly roots: CaRootsValue },
): Promise<ProxyConfig["identity"]> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const serial = identity.leaf.serialNumber.replace(/[^0-9A-Za-z]/g, "").toLowerCase();
  const rootsPem = identity.roots.roots.map((root) => `${root.certPem.trim()}\n`).join("");
  const leafName = `leaf-${serial}-${digestOf(identity.leaf.certPem)}`;
  const files = {
    certFile: join(directory, `${leafName}.crt`),
    keyFile: join(directory, `${leafName}.key`),
    caFile: join(directory, `roots-${digestOf(rootsPem)}.crt`),
  };
  await writeOnce(files.keyFile, identity.leaf.privateKeyPem);
  await writeOnce(files.certFile, identity.leaf.certPem);
  await writeOnce(files.caFile, rootsPem);
  return files;
}

/** Removes the certificate files in `directory` that none of `kept` names. */
export async function pruneIdentityFiles(directory: string, kept: readonly ProxyConfig["identity"][]): Promise<void> {
  const paths = new Set(kept.flatMap((files) => [files.certFile, files.keyFile, files.caFile]));
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (/^(leaf|roots)-[0-9a-z-]+\.(crt|key)$/.test(name) && !paths.has(path)) await unlink(path);
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The name says what is inside, so a file that is there is right. */
async function writeOnce(path: string, content: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) await replaceFile({ path, content, mode: 0o600, isDurable: false });
}
