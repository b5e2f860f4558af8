import type { Clock } from "../../lib/base/clock.ts";
import type { ChannelCredentials } from "../../lib/client/grpc-client.ts";
import type { Authority } from "../ca/authority.ts";
import { createOwnCertificate } from "../ca/own-certificate.ts";

/** Who this server is to the servers that it calls. */
export interface PeerIdentity {
  credentials(): ChannelCredentials;
}

export function createPeerIdentity(options: { readonly authority: Authority; readonly clock: Clock }): PeerIdentity {
  const { authority } = options;
  const certificate = createOwnCertificate(options);
  return {
    credentials() {
      const { chainPem: certPem, privateKeyPem } = certificate();
      const { rootsPem, trustDomain, datacenter } = authority;
      return { rootsPem, trustDomain, datacenter, certificate: { certPem, privateKeyPem } };
    },
  };
}
