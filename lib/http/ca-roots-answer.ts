import type { CaRootsValue } from "../contract/topics.ts";

/** Consul's JSON of the trusted roots, the same from an agent as from a server. */
export function caRootsAnswer(value: CaRootsValue): object {
  const [clusterId = ""] = value.trustDomain.split(".", 1);
  return {
    ActiveRootID: value.activeRootId,
    TrustDomain: value.trustDomain,
    Roots: value.roots.map((root) => ({
      ID: root.id,
      Name: root.name,
      SerialNumber: root.serialNumber,
      SigningKeyID: root.signingKeyId,
      ExternalTrustDomain: clusterId,
      NotBefore: root.notBefore,
      NotAfter: root.notAfter,
      RootCert: root.certPem,
      IntermediateCerts: root.intermediateCerts ?? null,
      Active: root.active,
      PrivateKeyType: root.privateKeyType,
      PrivateKeyBits: root.privateKeyBits,
      CreateIndex: root.createIndex,
      ModifyIndex: root.modifyIndex,
    })),
  };
}
