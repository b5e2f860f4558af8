import { type Authorizer, unrestricted } from "../../lib/acl/authorizer.ts";
import { tokenOf } from "../../lib/http/request-token.ts";
import type { Asker } from "./hot-reads.ts";
import type { AclResolver } from "../acl/resolver.ts";

/** What the token of a request may do, from this server's state; everything where ACLs are off. */
export function createAuthorize(acl: AclResolver | undefined): (asker: Asker) => Authorizer {
  if (acl === undefined || !acl.settings.isEnabled) return () => unrestricted;
  return (asker) => acl.resolve(tokenOf(asker));
}
