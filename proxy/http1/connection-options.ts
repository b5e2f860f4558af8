import { canBeNominated } from "../message/nominated.ts";
import { isToken } from "./characters.ts";
import type { MessageHead } from "./head.ts";

/** Options that the codec handles itself. */
const ownOptions = new Set(["close", "keep-alive", "upgrade", "te", "proxy-connection"]);

/** Reads one `Connection` field into `head`; false when it is no list of tokens (RFC 9110 section 7.6.1) or too long. */
export function readConnectionOptions(head: MessageHead, start: number, end: number): boolean {
  const value = head.bytes.toString("latin1", start, end).toLowerCase();
  if (value === "keep-alive") head.hasKeepAlive = true;
  else if (value === "close") head.hasClose = true;
  else {
    for (const part of value.split(",")) {
      const option = withoutBlanks(part);
      if (option !== "" && !readOption(head, option)) return false;
    }
  }
  return true;
}

/**
 * `Proxy-Connection` means nothing (RFC 9112 appendix C.2.2), but llhttp takes it for `Connection`. So that it is the same
 * either way: `close` closes, which is never wrong, and a request to switch protocols is refused by the false returned.
 */
export function readProxyConnection(head: MessageHead, start: number, end: number): boolean {
  for (const part of head.bytes.toString("latin1", start, end).toLowerCase().split(",")) {
    const option = withoutBlanks(part);
    if (option === "close") head.hasClose = true;
    else if (option === "upgrade") return false;
  }
  return true;
}

function readOption(head: MessageHead, option: string): boolean {
  if (option === "close") head.hasClose = true;
  else if (option === "keep-alive") head.hasKeepAlive = true;
  else if (option === "upgrade") head.isUpgrade = true;
  if (ownOptions.has(option)) return true;
  for (let i = 0; i < option.length; i++) if (isToken[option.charCodeAt(i)] !== 1) return false;
  if (head.nominated.length >= head.maxNominated) return false;
  if (canBeNominated(option)) head.nominated.push(option);
  return true;
}

/** Space and tab only: `trim` would also take a no-break space (0xA0), and so see an option where others see none. */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.substring(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
