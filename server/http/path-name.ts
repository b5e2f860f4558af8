import { Type } from "typebox";
import { AtollError } from "../../lib/contract/error-codes.ts";

/** Path parameters of the catalog's routes. */
export const ServicePath = Type.Object({ service: Type.String() });
export const NodePath = Type.Object({ node: Type.String() });

/** The name in a path, which `/v1/health/service/` leaves empty. */
export function mustName(name: string, what: string): string {
  if (name === "") throw new AtollError("INVALID_ARGUMENT", `Missing ${what}`);
  return name;
}
