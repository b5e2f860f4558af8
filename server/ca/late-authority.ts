import type { CaRootFields } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Authority, ServerCertificate } from "./authority.ts";

/**
 * The authority of a server that joins: it has a certificate, and no key of the authority until the replicated state has
 * arrived. From then on it is as good as any other.
 */
export function createLateAuthority(options: {
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly datacenter: string;
  readonly rootPem: string;
  readonly certificate: ServerCertificate;
  readonly roots: () => readonly CaRootFields[];
  readonly create: () => Authority;
}): Authority {
  const { clusterId, trustDomain, datacenter, rootPem } = options;
  let real: Authority | undefined;
  const current = (): Authority | undefined => {
    if (real === undefined && options.roots().length > 0) real = options.create();
    return real;
  };
  const mustHave = (): Authority => {
    const authority = current();
    if (authority !== undefined) return authority;
    throw new AtollError(
      "UNAVAILABLE",
      "this server has just joined and has not got the cluster's state yet; ask again",
    );
  };
  return {
    clusterId,
    trustDomain,
    datacenter,
    get rootPem() {
      return current()?.rootPem ?? rootPem;
    },
    get rootId() {
      return current()?.rootId ?? options.certificate.rootId;
    },
    get rootsPem() {
      return current()?.rootsPem ?? rootPem;
    },
    sign: (csrPem, scope) => mustHave().sign(csrPem, scope),
    planRotation: (wish) => mustHave().planRotation(wish),
    signServer: (csrPem, nodeId) => mustHave().signServer(csrPem, nodeId),
    issueServerCertificate: () => current()?.issueServerCertificate() ?? options.certificate,
  };
}
