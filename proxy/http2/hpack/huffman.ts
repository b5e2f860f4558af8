import { codeLengths, codes, endOfString } from "./huffman-codes.ts";

/**
 * Huffman coding of strings (RFC 7541 section 5.2). Decoding walks a state machine four bits at a time: a state is an
 * inner node of the code's tree, and the table says for each nibble which node follows and which symbol, if any, was
 * completed on the way (no code is shorter than five bits, so there is at most one).
 */
const emits = 0x100;
const accepts = 0x200;
const fails = 0x400;
const symbolMask = 0xff;
const stateShift = 11;

/** Per state and nibble: symbol, flags and the next state. */
const transitions = buildTransitions();

/**
 * Decodes `bytes[start, end)` into `out`, which has room for eight bytes per five. Returns how many bytes came out, or -1: the
 * end-of-string symbol, or padding that is longer than seven bits or not all ones.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let state = 0;
  let isAccepted = true;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    const first = transitions[(state << 4) | (byte >> 4)] ?? fails;
    if ((first & emits) !== 0) out[length++] = first & symbolMask;
    const second = transitions[((first >> stateShift) << 4) | (byte & 15)] ?? fails;
    if ((second & emits) !== 0) out[length++] = second & symbolMask;
    if (((first | second) & fails) !== 0) return -1;
    state = second >> stateShift;
    isAccepted = (second & accepts) !== 0;
  }
  return isAccepted ? length : -1;
}

/** How many bytes the text, of characters up to 255, takes when it is coded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += codeLengths[text.charCodeAt(i) & 0xff] ?? 0;
  return (bits + 7) >> 3;
}

/** Writes the code of `text` at `at`, where {@link huffmanLength} bytes are free; returns where it ends. */
export function encodeHuffman(text: string, out: Uint8Array, at: number): number {
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    const code = codes[symbol] ?? 0;
    let left = codeLengths[symbol] ?? 0;
    while (left > 0) {
      // At most 16 bits at a time: with seven that wait they stay inside 32.
      const taken = left > 16 ? left - 16 : left;
      left -= taken;
      pending = (pending << taken) | ((code >>> left) & ((1 << taken) - 1));
      pendingBits += taken;
      while (pendingBits >= 8) {
        pendingBits -= 8;
        out[at++] = pending >>> pendingBits;
      }
      pending &= (1 << pendingBits) - 1;
    }
  }
  if (pendingBits > 0) out[at++] = (pending << (8 - pendingBits)) | (0xff >> pendingBits);
  return at;
}

interface TreeNode {
  readonly depth: number;
  /** Whether the way here is all ones, as padding has to be. */
  readonly isPadding: boolean;
  readonly children: [Child, Child];
}
type Child = TreeNode | number | undefined;

function buildTree(nodes: TreeNode[]): void {
  const create = (depth: number, isPadding: boolean): TreeNode => {
    const node: TreeNode = { depth, isPadding, children: [undefined, undefined] };
    nodes.push(node);
    return node;
  };
  const root = create(0, true);
  for (let symbol = 0; symbol <= endOfString; symbol++) {
    let node = root;
    for (let bit = (codeLengths[symbol] ?? 0) - 1; bit > 0; bit--) {
      const side = ((codes[symbol] ?? 0) >>> bit) & 1;
      const child = node.children[side];
      const next = typeof child === "object" ? child : create(node.depth + 1, node.isPadding && side === 1);
      node.children[side] = next;
      node = next;
    }
    node.children[(codes[symbol] ?? 0) & 1] = symbol;
  }
}

function buildTransitions(): Uint32Array {
  const nodes: TreeNode[] = [];
  buildTree(nodes);
  const stateOf = new Map(nodes.map((node, state) => [node, state]));
  const table = new Uint32Array(nodes.length * 16);
  for (const [state, start] of nodes.entries()) {
    for (let nibble = 0; nibble < 16; nibble++) table[state * 16 + nibble] = walk(start, nibble, stateOf, nodes[0]);
  }
  return table;
}

function walk(
  start: TreeNode,
  nibble: number,
  stateOf: ReadonlyMap<TreeNode, number>,
  root: TreeNode | undefined,
): number {
  let node = start;
  let result = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = node.children[(nibble >> bit) & 1];
    if (typeof child === "object") {
      node = child;
      continue;
    }
    if (child === undefined || child === endOfString || root === undefined) return fails;
    result |= emits | child;
    node = root;
  }
  if (node.isPadding && node.depth < 8) result |= accepts;
  return result | ((stateOf.get(node) ?? 0) << stateShift);
}
