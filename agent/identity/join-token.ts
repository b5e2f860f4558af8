import { AtollError } from "../../lib/contract/error-codes.ts";

/** What an agent needs to join: which root to trust, and what to say to the server that has it. */
export interface JoinToken {
  /** SHA-256 of the root certificate's DER in lower hex. */
  readonly rootHash: string;
  /** The whole token: only a server with that root may see it. */
  readonly text: string;
}

/** Reads `<sha256 of the root>.<secret>`. Throws `CONFIG_INVALID`; the message does not repeat the token. */
export function parseJoinToken(text: string): JoinToken {
  const match = /^([0-9a-f]{64})\.[0-9a-f]{32,256}$/.exec(text.trim());
  if (match?.[1] !== undefined) return { rootHash: match[1], text: text.trim() };
  throw new AtollError(
    "CONFIG_INVALID",
    "the join token is not one: it has 64 hex digits, a dot and at least 32 hex digits; copy the whole line of the file join-token in the server's data directory",
  );
}
