import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { parseJsonText } from "../../../lib/base/json-file.ts";
import { parseHostPort } from "../../../lib/contract/address.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { formatIssues, schemaIssues } from "../../../lib/contract/schema-issues.ts";

/** One server of a peers file, as Consul's `peers.json` has it. */
export interface PeerEntry {
  readonly id: string;
  readonly address: string;
  readonly isVoter: boolean;
}

const PeersFile = Type.Array(
  Type.Object(
    { id: Type.String({ minLength: 1 }), address: Type.String(), non_voter: Type.Optional(Type.Boolean()) },
    { additionalProperties: false },
  ),
);

/** Reads the text of a peers file. Throws `CONFIG_INVALID` that names what is wrong with it. */
export function parsePeersFile(text: string, path: string): readonly PeerEntry[] {
  const parsed = parseJsonText(text);
  if (!parsed.ok) throw wrong(path, `line ${parsed.line}, column ${parsed.column}: ${parsed.message}`);
  const validator = Compile(PeersFile);
  if (!validator.Check(parsed.value)) throw wrong(path, formatIssues(schemaIssues(validator, parsed.value)));
  const peers = parsed.value.map(({ id, address, non_voter }) => ({ id, address, isVoter: non_voter !== true }));
  for (const { id, address } of peers) {
    const port = parseHostPort(address)?.port ?? 0;
    if (port === 0) throw wrong(path, `the address of ${id} must be host:port, found ${JSON.stringify(address)}`);
  }
  if (new Set(peers.map(({ id }) => id)).size !== peers.length) throw wrong(path, "an id is in it twice");
  if (new Set(peers.map(({ address }) => address)).size !== peers.length)
    throw wrong(path, "an address is in it twice");
  if (!peers.some(({ isVoter }) => isVoter)) throw wrong(path, "it names no voter");
  return peers;
}

function wrong(path: string, problem: string): AtollError {
  const example = '[{"id": "<server id>", "address": "10.0.0.1:8300"}]';
  return new AtollError(
    "CONFIG_INVALID",
    `peers file ${path} cannot be used: ${problem}; it should look like ${example}`,
  );
}
