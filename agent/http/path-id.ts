import { Type } from "typebox";
import { AtollError } from "../../lib/contract/error-codes.ts";

/** The rest of a path: ids are sent as they are and may hold slashes. */
export const RestOfPath = Type.Object({ "*": Type.String() });

/** The id at the end of a path, which `/v1/agent/check/pass/` leaves empty. */
export function mustId(params: { readonly "*": string }, what: string): string {
  const id = params["*"];
  if (id === "") throw new AtollError("INVALID_ARGUMENT", `Missing ${what}`);
  return id;
}
