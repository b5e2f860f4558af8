import { Type } from "typebox";
import type { Static } from "typebox";
import { Anything, Count, Flag, OpenMap, refusal, Text } from "./entry-fields.ts";
import { HeaderModifiersBody } from "./route-entries.ts";

/** Entries of the gateways of a mesh: `ingress-gateway`, `terminating-gateway` and `api-gateway`, by Consul's rules for each. */
const Names = Type.Optional(Type.Array(Type.String(), { maxItems: 1_024 }));
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const TlsFields = { TLSMinVersion: Text, TLSMaxVersion: Text, CipherSuites: Names };
const Sds = Type.Optional(Type.Object({ ClusterName: Text, CertResource: Text }));

const IngressServiceBody = Type.Object({
  Name: Type.String(),
  Hosts: Names,
  Namespace: Text,
  Partition: Text,
  TLS: Type.Optional(Type.Object({ SDS: Sds })),
  MaxConnections: Count,
  MaxPendingRequests: Count,
  MaxConcurrentRequests: Count,
  PassiveHealthCheck: Anything,
  RequestHeaders: HeaderModifiersBody,
  ResponseHeaders: HeaderModifiersBody,
});
const IngressTlsBody = Type.Optional(Type.Object({ Enabled: Flag, SDS: Sds, ...TlsFields }));

export const ingressFields = {
  TLS: IngressTlsBody,
  Listeners: Type.Optional(
    Type.Array(
      Type.Object({
        Port,
        Protocol: Text,
        TLS: IngressTlsBody,
        Services: Type.Optional(Type.Array(IngressServiceBody, { maxItems: 4_096 })),
      }),
      { maxItems: 1_024 },
    ),
  ),
  Defaults: OpenMap,
};
const IngressBody = Type.Object(ingressFields);

export function decodeIngress(body: Static<typeof IngressBody>): object {
  const ports = new Set<number>();
  const listeners = (body.Listeners ?? []).map((listener, i) => {
    const path = `Listeners[${i}]`;
    if (ports.has(listener.Port)) throw refusal(`port ${listener.Port} declared on two listeners`);
    ports.add(listener.Port);
    const protocol = oneOf(listener.Protocol, ["tcp", "http", "http2", "grpc"], `${path}.Protocol`);
    checkIngressServices(listener.Services ?? [], protocol, path);
    return { ...listener, Protocol: protocol, Services: listener.Services ?? [] };
  });
  return { ...body, TLS: body.TLS ?? { Enabled: false }, Listeners: listeners };
}

function checkIngressServices(
  services: readonly Static<typeof IngressServiceBody>[],
  protocol: string,
  path: string,
): void {
  if (services.length === 0) throw refusal(`no service declared for listener with port in ${path}`);
  if (protocol === "tcp" && services.length > 1) {
    throw refusal(`${path}: multiple services per listener are only supported for L7 protocols, found "tcp"`);
  }
  const seen = new Set<string>();
  const hosts = new Set<string>();
  for (const [i, service] of services.entries()) {
    const at = `${path}.Services[${i}]`;
    if (service.Name === "") throw refusal(`${at}.Name is required`);
    if (service.Name === "*" && protocol === "tcp") {
      throw refusal(`${at}: wildcard service name is only valid for protocol = 'http', found "tcp"`);
    }
    if (protocol === "tcp" && (service.Hosts ?? []).length > 0) {
      throw refusal(`${at}.Hosts: associating hosts to a service is not supported for the tcp protocol`);
    }
    if (service.Name === "*" && (service.Hosts ?? []).length > 0) {
      throw refusal(`${at}.Hosts: associating hosts to a wildcard service is not supported`);
    }
    if (seen.has(service.Name)) throw refusal(`${at}: service "${service.Name}" cannot be added multiple times`);
    seen.add(service.Name);
    for (const host of service.Hosts ?? []) {
      if (hosts.has(host)) throw refusal(`${at}.Hosts: "${host}" is already declared on this listener`);
      hosts.add(host);
    }
  }
}

export const terminatingFields = {
  Services: Type.Optional(
    Type.Array(
      Type.Object({
        Name: Type.String(),
        Namespace: Text,
        CAFile: Text,
        CertFile: Text,
        KeyFile: Text,
        SNI: Text,
        DisableAutoHostRewrite: Flag,
      }),
      { maxItems: 4_096 },
    ),
  ),
};
const TerminatingBody = Type.Object(terminatingFields);

export function decodeTerminating(body: Static<typeof TerminatingBody>): object {
  const seen = new Set<string>();
  for (const [i, { Name, CAFile, CertFile, KeyFile }] of (body.Services ?? []).entries()) {
    const at = `Services[${i}]`;
    if (Name === "") throw refusal(`${at}: service name cannot be blank`);
    if (seen.has(Name)) throw refusal(`${at}: service "${Name}" was specified more than once within a namespace`);
    seen.add(Name);
    if ((CertFile || KeyFile) && !(CAFile && CertFile && KeyFile)) {
      throw refusal(`${at}: service "${Name}" must have a CertFile, CAFile, and KeyFile specified for TLS origination`);
    }
  }
  return { Services: body.Services ?? [] };
}

export const apiGatewayFields = {
  Listeners: Type.Optional(
    Type.Array(
      Type.Object({
        Name: Text,
        Hostname: Text,
        Port,
        Protocol: Text,
        TLS: Type.Optional(
          Type.Object({
            Certificates: Type.Optional(
              Type.Array(Type.Object({ Kind: Text, Name: Text, SectionName: Text }), { maxItems: 64 }),
            ),
            MinVersion: Text,
            MaxVersion: Text,
            CipherSuites: Names,
          }),
        ),
        Override: Anything,
        Default: Anything,
      }),
      { maxItems: 1_024 },
    ),
  ),
};
const ApiGatewayBody = Type.Object(apiGatewayFields);

export function decodeApiGateway(body: Static<typeof ApiGatewayBody>): object {
  const names = new Set<string>();
  const protocolOfPort = new Map<number, string>();
  const listeners = (body.Listeners ?? []).map((listener, i) => {
    const at = `Listeners[${i}]`;
    const name = listener.Name ?? "";
    if (!/^[a-zA-Z0-9][a-zA-Z0-9-]*$|^$/.test(name)) {
      throw refusal(`${at}.Name: listener name "${name}" must only contain lower case alphanumeric characters or -`);
    }
    if (names.has(name)) throw refusal(`${at}.Name: found multiple listeners with the name "${name}"`);
    names.add(name);
    const protocol = oneOf(listener.Protocol, ["http", "tcp"], `${at}.Protocol`);
    if (protocol === "tcp" && listener.Hostname) {
      throw refusal(`${at}.Hostname: hostname specification is not supported when using TCP`);
    }
    const before = protocolOfPort.get(listener.Port);
    if (before !== undefined && before !== protocol) {
      throw refusal(`${at}.Protocol: port ${listener.Port} has been declared with protocol "${before}" already`);
    }
    protocolOfPort.set(listener.Port, protocol);
    for (const [c, { Kind, Name }] of (listener.TLS?.Certificates ?? []).entries()) {
      const kind = Kind ?? "";
      if (!["inline-certificate", "file-system-certificate"].includes(kind) || !Name) {
        throw refusal(
          `${at}.TLS.Certificates[${c}] must have Kind "inline-certificate" or "file-system-certificate" and a Name, found "${kind}"`,
        );
      }
    }
    return { ...listener, Name: name, Protocol: protocol };
  });
  return { Listeners: listeners, Status: { Conditions: null } };
}

/** `given` in lower case, if it is one of those; the first of them where nothing is said. */
export function oneOf(given: string | undefined, known: readonly string[], path: string): string {
  const text = (given ?? "").toLowerCase() || (known[0] ?? "");
  if (known.includes(text)) return text;
  throw refusal(`${path} must be one of ${known.join(", ")}, found ${JSON.stringify(given)}`);
}

export const exportedServicesFields = {
  Services: Type.Optional(
    Type.Array(
      Type.Object({
        Name: Type.String(),
        Namespace: Text,
        Consumers: Type.Optional(
          Type.Array(Type.Object({ Peer: Text, Partition: Text, SamenessGroup: Text }), { maxItems: 1_024 }),
        ),
      }),
      { maxItems: 4_096 },
    ),
  ),
};
const ExportedServicesBody = Type.Object(exportedServicesFields);

export function decodeExportedServices(body: Static<typeof ExportedServicesBody>, name: string): object {
  if (name !== "default") throw refusal(`exported-services Name must be "default", found "${name}"`);
  for (const [i, { Name, Consumers = [] }] of (body.Services ?? []).entries()) {
    const at = `Services[${i}]`;
    if (Name === "") throw refusal(`${at}: service name cannot be empty`);
    if (Consumers.length === 0) throw refusal(`${at}: must have at least one consumer`);
    for (const [c, consumer] of Consumers.entries()) {
      const path = `${at}.Consumers[${c}]`;
      if (consumer.Partition) throw refusal(`${path}: partitions are a Consul Enterprise feature`);
      if (consumer.SamenessGroup) throw refusal(`${path}: sameness groups are a Consul Enterprise feature`);
      if (!consumer.Peer) throw refusal(`${path}: must define a Peer`);
      if (consumer.Peer === "*") throw refusal(`${path}.Peer: exporting to all peers (wildcard) is not supported`);
    }
  }
  return { Services: body.Services ?? [] };
}
