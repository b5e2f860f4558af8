import { Field } from "./field-names.ts";
import type { MessageHead } from "./head.ts";

/** What a hop adds to a message that it forwards. */
export interface ForwardEdits {
  /** Whole field lines with their CR LF, or empty. */
  readonly addition: Uint8Array;
  /** The connection continues as a tunnel: `Upgrade` and `Connection: upgrade` stay. */
  readonly keepsUpgrade: boolean;
  /** The receiver must take this message as the last one of its connection. */
  readonly addsClose: boolean;
}

const upgradeLine = Buffer.from("connection: upgrade\r\n", "latin1");
const closeLine = Buffer.from("connection: close\r\n", "latin1");
const none = new Uint8Array(0);

/** Whether the head may be forwarded byte for byte. */
export function isForwardedAsIs(head: MessageHead, edits: ForwardEdits): boolean {
  return !head.hasHopFields && edits.addition.length === 0 && !edits.addsClose;
}

/**
 * The head as the next hop gets it (RFC 9110 section 7.6.1): fields of this connection alone are left out, a
 * client-certificate field of the sender is never passed on, ours is added. `tail` is copied behind it, so that a small
 * message leaves in one write.
 */
export function forwardedHead(head: MessageHead, edits: ForwardEdits, tail: Uint8Array): Buffer {
  const connectionLine = edits.addsClose ? closeLine : edits.keepsUpgrade ? upgradeLine : none;
  const ceiling = head.end - head.start + edits.addition.length + connectionLine.length + tail.length;
  const out = Buffer.allocUnsafe(ceiling);
  const { bytes, spans } = head;
  let to = 0;
  let runStart = head.start;
  if (head.hasHopFields) {
    for (let i = 0; i < head.fieldCount; i++) {
      if (!isHopField(head, i, edits.keepsUpgrade)) continue;
      const lineStart = spans[i * 4] ?? 0;
      to += bytes.copy(out, to, runStart, lineStart);
      runStart = i + 1 < head.fieldCount ? (spans[i * 4 + 4] ?? 0) : head.end - 2;
    }
  }
  to += bytes.copy(out, to, runStart, head.end - 2);
  to = append(out, edits.addition, to);
  to = append(out, connectionLine, to);
  out[to++] = 13;
  out[to++] = 10;
  to = append(out, tail, to);
  return to === ceiling ? out : out.subarray(0, to);
}

function append(out: Buffer, bytes: Uint8Array, at: number): number {
  if (bytes.length > 0) out.set(bytes, at);
  return at + bytes.length;
}

function isHopField(head: MessageHead, index: number, keepsUpgrade: boolean): boolean {
  switch (head.ids[index]) {
    case Field.connection:
    case Field.keepAlive:
    case Field.proxyConnection:
    case Field.forwardedClientCert:
      return true;
    case Field.te:
      return head.fieldValue(index).toLowerCase() !== "trailers";
    case Field.upgrade:
      return !keepsUpgrade;
    case Field.other:
      // Fields that frame or route the message cannot be nominated away.
      return head.nominated.length > 0 && head.nominated.includes(head.fieldName(index));
    default:
      return false;
  }
}
