import type { CheckFields, NodeFields, ServiceFields } from "../../../lib/contract/catalog.ts";
import type { CaRootFields, DeregisterCommand, RegisterCommand } from "../../../lib/contract/commands.ts";
import type { IntentionAction, ServiceIntentionsEntry } from "../../../lib/contract/config-entries.ts";

/** Complete records with plain defaults, for tests that care about one or two fields. */
export function nodeFields(name: string, fields: Partial<NodeFields> = {}): NodeFields {
  return { ID: "", Node: name, Address: "10.0.0.1", Datacenter: "dc1", TaggedAddresses: {}, Meta: {}, ...fields };
}

export function serviceFields(name: string, fields: Partial<ServiceFields> = {}): ServiceFields {
  return {
    Kind: "",
    ID: name,
    Service: name,
    Tags: [],
    Meta: {},
    Port: 8080,
    Address: "",
    TaggedAddresses: {},
    Weights: { Passing: 1, Warning: 1 },
    EnableTagOverride: false,
    Connect: { Native: false },
    ...fields,
  };
}

export function sidecarFields(destination: string, fields: Partial<ServiceFields> = {}): ServiceFields {
  return serviceFields(`${destination}-sidecar-proxy`, {
    Kind: "connect-proxy",
    Port: 21000,
    Proxy: {
      DestinationServiceName: destination,
      DestinationServiceID: destination,
      LocalServiceAddress: "127.0.0.1",
      LocalServicePort: 8080,
      Config: {},
      Upstreams: [],
    },
    ...fields,
  });
}

export function checkFields(node: string, id: string, fields: Partial<CheckFields> = {}): CheckFields {
  return {
    Node: node,
    CheckID: id,
    Name: id,
    Status: "passing",
    Notes: "",
    Output: "",
    ServiceID: "",
    ServiceName: "",
    ServiceTags: [],
    Type: "",
    Interval: "",
    Timeout: "",
    Definition: {},
    ...fields,
  };
}

export interface Registration {
  readonly node?: NodeFields;
  readonly service?: ServiceFields;
  readonly checks?: readonly CheckFields[];
  readonly skipNodeUpdate?: boolean;
}

export function registerCommand(node: string, registration: Registration = {}): RegisterCommand {
  return {
    type: "register",
    node: registration.node ?? nodeFields(node),
    skipNodeUpdate: registration.skipNodeUpdate ?? false,
    checks: registration.checks ?? [],
    ...(registration.service === undefined ? {} : { service: registration.service }),
  };
}

export function deregisterCommand(
  node: string,
  what: { readonly serviceId?: string; readonly checkId?: string } = {},
): DeregisterCommand {
  return { type: "deregister", node, ...what };
}

export function intentionsEntry(
  destination: string,
  sources: Readonly<Record<string, IntentionAction>>,
): ServiceIntentionsEntry {
  return {
    Kind: "service-intentions",
    Name: destination,
    Meta: {},
    Sources: Object.entries(sources).map(([Name, Action]) => ({
      Name,
      Action,
      Precedence: 0,
      Type: "consul",
      Description: "",
    })),
  };
}

export function caRootFields(id: string): CaRootFields {
  return {
    id,
    name: "test root",
    clusterId: "11111111-2222-4333-8444-555555555555",
    trustDomain: "11111111-2222-4333-8444-555555555555.consul",
    serialNumber: 7,
    signingKeyId: "aa:bb",
    notBefore: "2026-01-01T00:00:00Z",
    notAfter: "2036-01-01T00:00:00Z",
    certPem: "certificate of the root",
    privateKeyPem: "PRIVATE-KEY-OF-THE-ROOT",
    privateKeyType: "ec",
    privateKeyBits: 256,
  };
}
