import { isIPv4, isIPv6 } from "node:net";
import { formatDurationMs } from "../../lib/base/duration.ts";
import type { CheckFields, CheckStatus, ServiceFields, TaggedAddress } from "../../lib/contract/catalog.ts";
import { defaultPort } from "../../lib/contract/service-ports.ts";
import { type CheckDefinition, isPeriodic, type ServiceDefinition } from "../service-definition.ts";

/** The catalog record of a service that has been expanded: it has its port, and no sidecar of its own any more. */
export function serviceFields(definition: ServiceDefinition): ServiceFields {
  return {
    Kind: definition.kind,
    ID: definition.id,
    Service: definition.name,
    Tags: definition.tags,
    Meta: definition.meta,
    Port: definition.port,
    ...(definition.ports !== undefined && { Ports: definition.ports }),
    Address: definition.address,
    ...(definition.socketPath !== undefined && { SocketPath: definition.socketPath }),
    TaggedAddresses: taggedAddresses(definition),
    Weights: definition.weights,
    EnableTagOverride: definition.enableTagOverride,
    ...(definition.proxy !== undefined && { Proxy: definition.proxy }),
    Connect: { Native: definition.connectNative },
    ...(definition.locality !== undefined && { Locality: definition.locality }),
  };
}

export interface CheckFieldsContext {
  readonly node: string;
  readonly status: CheckStatus;
  readonly output: string;
  /** The service that the check belongs to; absent for a check of the node. */
  readonly service?: { readonly id: string; readonly name: string; readonly tags: readonly string[] };
}

/** The catalog record of a check. */
export function checkFields(definition: CheckDefinition, context: CheckFieldsContext): CheckFields {
  const { probe } = definition;
  return {
    Node: context.node,
    CheckID: definition.checkId,
    Name: definition.name,
    Status: context.status,
    Notes: definition.notes,
    Output: context.output,
    ServiceID: context.service?.id ?? "",
    ServiceName: context.service?.name ?? "",
    ServiceTags: context.service?.tags ?? [],
    Type: probe.type,
    Interval: probe.type === "maintenance" ? "" : formatDurationMs(isPeriodic(probe) ? probe.intervalMs : 0),
    Timeout: probe.type === "maintenance" ? "" : formatDurationMs(isPeriodic(probe) ? probe.timeoutMs : 0),
    Definition: {},
  };
}

/** Names the checks of a service that have no id or name of their own: `service:<id>`, numbered when there are several. */
export function nameServiceChecks(service: ServiceDefinition): readonly CheckDefinition[] {
  return service.checks.map((check, i) => {
    const numbered = service.checks.length > 1 ? `service:${service.id}:${i + 1}` : `service:${service.id}`;
    return {
      ...check,
      serviceId: service.id,
      checkId: check.checkId === "" ? numbered : check.checkId,
      name: check.name === "" ? `Service '${service.name}' check` : check.name,
    };
  });
}

/** The address of a service under the tags by which it is reached from the LAN and the WAN, where no others are given. */
function taggedAddresses(definition: ServiceDefinition): Readonly<Record<string, TaggedAddress>> {
  const { address, port, ports, taggedAddresses: given } = definition;
  const own = {
    Address: address,
    Port: port || defaultPort({ Port: port, ...(ports !== undefined && { Ports: ports }) }),
  };
  if (isIPv4(address)) return { lan_ipv4: own, wan_ipv4: own, ...given };
  if (isIPv6(address)) return { lan_ipv6: own, wan_ipv6: own, ...given };
  return given;
}
