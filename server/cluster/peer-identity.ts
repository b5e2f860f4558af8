import type { Clock } from "../../lib/base/clock.ts";
import type { ChannelCredentials } from "../../lib/client/grpc-client.ts";
import type { Authority, ServerCertificate } from "../ca/authority.ts";

/** Who this server is to the servers that it calls; the certificate is replaced at half of its life. */
export interface PeerIdentity {
  credentials(): ChannelCredentials;
}

export function createPeerIdentity(options: { readonly authority: Authority; readonly clock: Clock }): PeerIdentity {
  const { authority, clock } = options;
  let certificate: ServerCertificate | undefined;
  return {
    credentials() {
      if (certificate === undefined || clock.nowMs() >= halfLifeMs(certificate)) {
        certificate = authority.issueServerCertificate();
      }
      const { rootPem: rootsPem, trustDomain, datacenter } = authority;
      const { chainPem: certPem, privateKeyPem } = certificate;
      return { rootsPem, trustDomain, datacenter, certificate: { certPem, privateKeyPem } };
    },
  };
}

function halfLifeMs(certificate: ServerCertificate): number {
  return (Date.parse(certificate.notBefore) + Date.parse(certificate.notAfter)) / 2;
}
