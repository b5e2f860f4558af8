import type { SourceIntention } from "../../lib/contract/config-entries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { intentionPrecedence, wildcard } from "../../lib/contract/intentions.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import type { SourceBody } from "./config-entry-schema.ts";
import { intentionPermission } from "./intention-permission.ts";

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
  const permissions = body.Permissions ?? [];
  if (permissions.length > 0) {
    if (body.Action) throw refuse("Action must be omitted if Permissions are specified");
    if (at.destination === wildcard) {
      throw refuse("Permissions cannot be specified on intentions with wildcarded destinations");
    }
  }
  if (!isZeroValue(body.Peer) || !isZeroValue(body.SamenessGroup)) {
    throw refuse(`${isZeroValue(body.Peer) ? "SamenessGroup" : "Peer"} is not supported by this version: leave it out`);
  }
  for (const [field, value] of [["Namespace", body.Namespace] as const, ["Partition", body.Partition] as const]) {
    if (value && value !== "default") throw refuse(`${field}: "${value}" - ${field}s are a Consul Enterprise feature`);
  }
  const action = permissions.length > 0 ? "" : body.Action;
  if (action !== "" && action !== "allow" && action !== "deny") {
    throw refuse("Action must be set to 'allow' or 'deny'");
  }
  if (body.Type && body.Type !== "consul") throw refuse("Type must be set to 'consul'");
  const description = body.Description ?? "";
  if (description.length > maxDescriptionChars) {
    throw refuse(`Description exceeds maximum length ${maxDescriptionChars}`);
  }
  return {
    Name: body.Name,
    Action: action,
    ...(permissions.length > 0 && {
      Permissions: permissions.map((permission, i) => intentionPermission(permission, `${at.path}Permissions[${i}]`)),
    }),
    Precedence: intentionPrecedence(body.Name, at.destination),
    Type: "consul",
    Description: description,
    ...(body.LegacyID && { LegacyID: body.LegacyID }),
  };
}

const maxDescriptionChars = 512;
