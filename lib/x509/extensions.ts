/** The certificate extensions that a mesh needs (RFC 5280 section 4.2). */
import {
  bitString,
  boolean,
  contextPrimitive,
  type DerNode,
  decodeDer,
  encodeDer,
  isUniversalBoolean,
  octetBytes,
  octetString,
  oid,
  oidText,
  sequence,
  sequenceItems,
} from "./der.ts";
import { encodeAlternativeNames } from "./names.ts";

export const extensionOids = {
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;

export const extendedKeyUsages = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;
export type ExtendedKeyUsage = keyof typeof extendedKeyUsages;

export function basicConstraints(isAuthority: boolean): DerNode {
  return extension({
    oid: extensionOids.basicConstraints,
    isCritical: true,
    value: isAuthority ? sequence(boolean(true)) : sequence(),
  });
}

/** `authority`: digitalSignature, keyCertSign and cRLSign; `leaf`: digitalSignature alone, all that TLS 1.3 needs. */
export function keyUsage(role: "authority" | "leaf"): DerNode {
  const bits =
    role === "authority" ? bitString(Uint8Array.of(0b1000_0110), 1) : bitString(Uint8Array.of(0b1000_0000), 7);
  return extension({ oid: extensionOids.keyUsage, isCritical: true, value: bits });
}

export function extendedKeyUsage(usages: readonly ExtendedKeyUsage[]): DerNode {
  const value = sequence(...usages.map((usage) => oid(extendedKeyUsages[usage])));
  return extension({ oid: extensionOids.extendedKeyUsage, isCritical: false, value });
}

export function subjectKeyIdentifier(keyId: Uint8Array): DerNode {
  return extension({ oid: extensionOids.subjectKeyId, isCritical: false, value: octetString(keyId) });
}

export function authorityKeyIdentifier(keyId: Uint8Array): DerNode {
  const value = sequence(contextPrimitive(0, keyId));
  return extension({ oid: extensionOids.authorityKeyId, isCritical: false, value });
}

export function subjectAltName(names: Parameters<typeof encodeAlternativeNames>[0]): DerNode {
  return extension({ oid: extensionOids.subjectAltName, isCritical: false, value: encodeAlternativeNames(names) });
}

export interface ReadExtension {
  readonly oid: string;
  readonly value: DerNode;
}

/** Reads `Extensions`; undefined when malformed or when one extension comes twice. */
export function readExtensions(node: DerNode | undefined): readonly ReadExtension[] | undefined {
  const found: ReadExtension[] = [];
  for (const item of sequenceItems(node) ?? [undefined]) {
    const parts = sequenceItems(item);
    const name = oidText(parts?.[0]);
    const content = octetBytes(parts?.[isUniversalBoolean(parts[1]) ? 2 : 1]);
    const value = content === undefined ? undefined : decodeDer(content);
    if (name === undefined || value === undefined || found.some((earlier) => earlier.oid === name)) return undefined;
    found.push({ oid: name, value });
  }
  return found;
}

function extension(parts: { readonly oid: string; readonly isCritical: boolean; readonly value: DerNode }): DerNode {
  const content = octetString(encodeDer(parts.value));
  return parts.isCritical ? sequence(oid(parts.oid), boolean(true), content) : sequence(oid(parts.oid), content);
}
