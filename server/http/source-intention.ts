import type { SourceIntention } from "../../lib/contract/config-entries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { intentionPrecedence } from "../../lib/contract/intentions.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import type { SourceBody } from "./config-entry-schema.ts";

/**
 * Makes one rule of an intention of what a client wrote. `path` is put before field names in messages, as in
 * `Sources[0].`. Throws `INVALID_ARGUMENT`; rules over several sources (no name twice) are the state's.
 */
export function sourceIntention(
  body: SourceBody,
  at: { readonly destination: string; readonly path: string },
): SourceIntention {
  const refuse = (message: string): AtollError => new AtollError("INVALID_ARGUMENT", `${at.path}${message}`);
  if (!body.Name) throw refuse("Name is required");
  if (!isZeroValue(body.Permissions)) {
    if (body.Action) throw refuse("Action must be omitted if Permissions are specified");
    throw refuse("Permissions: L7 intentions are not supported by this version: use Action");
  }
  if (!isZeroValue(body.Peer) || !isZeroValue(body.SamenessGroup)) {
    throw refuse(`${isZeroValue(body.Peer) ? "SamenessGroup" : "Peer"} is not supported by this version: leave it out`);
  }
  for (const [field, value] of [["Namespace", body.Namespace] as const, ["Partition", body.Partition] as const]) {
    if (value && value !== "default") throw refuse(`${field}: "${value}" - ${field}s are a Consul Enterprise feature`);
  }
  if (body.Action !== "allow" && body.Action !== "deny") throw refuse("Action must be set to 'allow' or 'deny'");
  if (body.Type && body.Type !== "consul") throw refuse("Type must be set to 'consul'");
  const description = body.Description ?? "";
  if (description.length > maxDescriptionChars) {
    throw refuse(`Description exceeds maximum length ${maxDescriptionChars}`);
  }
  return {
    Name: body.Name,
    Action: body.Action,
    Precedence: intentionPrecedence(body.Name, at.destination),
    Type: "consul",
    Description: description,
  };
}

const maxDescriptionChars = 512;
