/**
 * DER in and out (X.690), on top of node-forge's ASN.1. Forge keeps bytes in "binary strings"; this file is the only
 * place where they appear, everybody else sees `Uint8Array` and text.
 */
import forge from "node-forge";

export type DerNode = forge.asn1.Asn1;

const { Class, Type } = forge.asn1;

/** The bytes of `node`. */
export function encodeDer(node: DerNode): Buffer {
  return Buffer.from(forge.asn1.toDer(node).getBytes(), "latin1");
}

/** Reads exactly one value without anything behind it; undefined when the bytes are not that. */
export function decodeDer(bytes: Uint8Array): DerNode | undefined {
  try {
    // Bit strings stay opaque: forge would otherwise guess that keys and signatures hold more ASN.1.
    const options = { strict: true, parseAllBytes: true, decodeBitStrings: false };
    return forge.asn1.fromDer(forge.util.createBuffer(toBinary(bytes)), options);
  } catch {
    return undefined;
  }
}

export function sequence(...items: readonly DerNode[]): DerNode {
  return forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...items]);
}

export function set(...items: readonly DerNode[]): DerNode {
  return forge.asn1.create(Class.UNIVERSAL, Type.SET, true, [...items]);
}

export function oid(dotted: string): DerNode {
  return forge.asn1.create(Class.UNIVERSAL, Type.OID, false, forge.asn1.oidToDer(dotted).getBytes());
}

export function nullValue(): DerNode {
  return forge.asn1.create(Class.UNIVERSAL, Type.NULL, false, "");
}

export function boolean(value: boolean): DerNode {
  return forge.asn1.create(Class.UNIVERSAL, Type.BOOLEAN, false, value ? "\xff" : "\x00");
}

/** A non-negative INTEGER from its big-endian bytes, in the shortest form that keeps it positive. */
export function integer(magnitude: Uint8Array): DerNode {
  const start = magnitude.findIndex((byte) => byte !== 0);
  const digits = start === -1 ? Uint8Array.of(0) : magnitude.subarray(start);
  const padded = (digits[0] ?? 0) & 0x80 ? Uint8Array.of(0, ...digits) : digits;
  return forge.asn1.create(Class.UNIVERSAL, Type.INTEGER, false, toBinary(padded));
}

export function octetString(bytes: Uint8Array): DerNode {
  return forge.asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, toBinary(bytes));
}

/** A BIT STRING whose last byte has `unusedBits` bits that do not count. */
export function bitString(bytes: Uint8Array, unusedBits = 0): DerNode {
  return forge.asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, String.fromCharCode(unusedBits) + toBinary(bytes));
}

export function utf8String(text: string): DerNode {
  return forge.asn1.create(Class.UNIVERSAL, Type.UTF8, false, toBinary(Buffer.from(text, "utf8")));
}

/** `[tag]` around further values. */
export function contextConstructed(tag: number, ...items: readonly DerNode[]): DerNode {
  return forge.asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [...items]);
}

/** `[tag] IMPLICIT` over plain bytes. */
export function contextPrimitive(tag: number, bytes: Uint8Array): DerNode {
  return forge.asn1.create(Class.CONTEXT_SPECIFIC, tag, false, toBinary(bytes));
}

/** UTCTime up to 2049, GeneralizedTime after that, whole seconds in UTC (RFC 5280 section 4.1.2.5). */
export function time(epochMs: number): DerNode {
  const digits = new Date(epochMs).toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
  if (Number(digits.slice(0, 4)) < 2050) {
    return forge.asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, `${digits.slice(2)}Z`);
  }
  return forge.asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, `${digits}Z`);
}

/** The values inside a SEQUENCE, or undefined for anything else. */
export function sequenceItems(node: DerNode | undefined): readonly DerNode[] | undefined {
  return constructedItems(node, Class.UNIVERSAL, Type.SEQUENCE);
}

/** The values inside a SET, or undefined for anything else. */
export function setItems(node: DerNode | undefined): readonly DerNode[] | undefined {
  return constructedItems(node, Class.UNIVERSAL, Type.SET);
}

/** The values inside a constructed `[tag]`, or undefined for anything else. */
export function contextItems(node: DerNode | undefined, tag: number): readonly DerNode[] | undefined {
  return constructedItems(node, Class.CONTEXT_SPECIFIC, tag);
}

/** The tag of a context-specific value, or undefined for a universal one. */
export function contextTag(node: DerNode): number | undefined {
  return node.tagClass === Class.CONTEXT_SPECIFIC ? node.type : undefined;
}

/** The content of a primitive value; undefined for a constructed one. */
export function contentBytes(node: DerNode | undefined): Buffer | undefined {
  return node === undefined || typeof node.value !== "string" ? undefined : Buffer.from(node.value, "latin1");
}

export function oidText(node: DerNode | undefined): string | undefined {
  if (node === undefined || !isUniversal(node, Type.OID) || typeof node.value !== "string") return undefined;
  return forge.asn1.derToOid(forge.util.createBuffer(node.value));
}

export function octetBytes(node: DerNode | undefined): Buffer | undefined {
  return node !== undefined && isUniversal(node, Type.OCTETSTRING) ? contentBytes(node) : undefined;
}

/** The bytes of a BIT STRING of whole bytes; undefined for anything else. */
export function bitStringBytes(node: DerNode | undefined): Buffer | undefined {
  if (node === undefined || !isUniversal(node, Type.BITSTRING)) return undefined;
  const content = contentBytes(node);
  return content?.[0] === 0 ? content.subarray(1) : undefined;
}

export function isBooleanTrue(node: DerNode | undefined): boolean {
  return node !== undefined && isUniversal(node, Type.BOOLEAN) && contentBytes(node)?.[0] === 0xff;
}

export function isUniversalBoolean(node: DerNode | undefined): boolean {
  return node !== undefined && isUniversal(node, Type.BOOLEAN);
}

/** A small non-negative INTEGER; undefined for anything else. */
export function smallInteger(node: DerNode | undefined): number | undefined {
  if (node === undefined || !isUniversal(node, Type.INTEGER)) return undefined;
  const content = contentBytes(node);
  return content?.length === 1 && (content[0] ?? 0x80) < 0x80 ? content[0] : undefined;
}

function isUniversal(node: DerNode, type: number): boolean {
  return node.tagClass === Class.UNIVERSAL && node.type === type;
}

function constructedItems(node: DerNode | undefined, tagClass: number, type: number): readonly DerNode[] | undefined {
  if (node === undefined || node.tagClass !== tagClass || node.type !== type) return undefined;
  return typeof node.value === "string" ? undefined : node.value;
}

function toBinary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
