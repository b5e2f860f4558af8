import type { IntentionPermission } from "../../lib/contract/intention-permissions.ts";
import { intentionJwtAnswer } from "./intention-jwt-body.ts";

/** Consul's JSON of one permission of an intention: what says nothing is left out. */
export function permissionAnswer({ Action, HTTP, JWT }: IntentionPermission): object {
  const { Header, Methods, ...paths } = HTTP;
  return {
    Action,
    HTTP: {
      ...withoutEmpty(paths),
      ...(Header.length > 0 && { Header: Header.map(withoutEmpty) }),
      ...(Methods.length > 0 && { Methods }),
    },
    ...(JWT !== undefined && { JWT: intentionJwtAnswer(JWT) }),
  };
}

function withoutEmpty(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value !== false));
}
