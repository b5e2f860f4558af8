import { ServerCredentials } from "@grpc/grpc-js";
import type { ServerCertificate } from "../ca/authority.ts";

/**
 * TLS 1.3 that asks for a client certificate and lets those without one in: `Enroll` has to be reachable before there is
 * any, and every other method checks its caller itself (caller.ts). grpc-js's own `createSsl` can only refuse them in the
 * handshake. A new certificate takes effect for new connections without listening again (checked on Bun 1.4.5).
 */
export class OptionalClientCertificates extends ServerCredentials {
  constructor(certificate: ServerCertificate, rootsPem: string) {
    super(
      { requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.3" },
      secureContext(certificate, rootsPem),
    );
  }

  replaceCertificate(certificate: ServerCertificate, rootsPem: string): void {
    this.updateSecureContextOptions(secureContext(certificate, rootsPem));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function secureContext(certificate: ServerCertificate, rootsPem: string) {
  return { ca: rootsPem, cert: certificate.chainPem, key: certificate.privateKeyPem };
}
