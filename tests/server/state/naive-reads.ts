import type { CheckRecord, ServiceRecord } from "../../../lib/contract/catalog.ts";
import type { ConfigEntryRecord } from "../../../lib/contract/config-entries.ts";
import type { NaiveCatalog } from "./naive-catalog.ts";

/** What each read of `readsOf` should answer, recomputed from the lists; keyed by the same names. */
export function naiveReads(
  catalog: NaiveCatalog,
  names: readonly string[],
  nodes: readonly string[],
): Map<string, unknown> {
  const answers = new Map<string, unknown>([
    ["nodes", sortedBy(catalog.nodes, (node) => node.Node)],
    ["services", tagsByName(catalog.services)],
    [
      "services with node meta",
      tagsByName(
        catalog.services.filter((service) =>
          catalog.nodes.some((node) => node.Node === service.Node && node.Meta["zone"] === "a"),
        ),
      ),
    ],
    ["all intentions", intentions(catalog, () => true)],
    ["proxy-defaults", catalog.entries.find((entry) => entry.Kind === "proxy-defaults")],
    ["ca roots", { activeRootId: "", trustDomain: "", roots: [] }],
    ["checks any", sortedChecks(catalog.checks)],
  ]);
  for (const status of ["passing", "warning", "critical"]) {
    answers.set(`checks ${status}`, sortedChecks(catalog.checks.filter((check) => check.Status === status)));
  }
  for (const kind of ["mesh", "proxy-defaults", "service-defaults", "service-intentions"]) {
    const ofKind = catalog.entries.filter((entry) => entry.Kind === kind);
    answers.set(
      `entries ${kind}`,
      sortedBy(ofKind, (entry) => entry.Name),
    );
  }
  for (const name of nodes) {
    const services = catalog.services.filter((service) => service.Node === name);
    answers.set(
      `node ${name}`,
      catalog.nodes.find((node) => node.Node === name),
    );
    answers.set(
      `services on ${name}`,
      sortedBy(services, (service) => `${service.Service} ${service.ID}`),
    );
    answers.set(`checks on ${name}`, sortedChecks(catalog.checks.filter((check) => check.Node === name)));
  }
  for (const name of names) {
    const covers = (pattern: string) => pattern === name || pattern === "*";
    const named = (kind: string) => catalog.entries.find((entry) => entry.Kind === kind && entry.Name === name);
    answers.set(
      `instances of ${name}`,
      instances(catalog, (service) => service.Service === name),
    );
    answers.set(
      `connect to ${name}`,
      instances(catalog, (service) => destinationOf(service) === name),
    );
    const offset = catalog.offsets.get(name);
    answers.set(`virtual IPs of ${name}`, offset && { Offset: offset, ManualIPs: catalog.manualIps.get(name) ?? [] });
    answers.set(`checks of ${name}`, sortedChecks(catalog.checks.filter((check) => check.ServiceName === name)));
    answers.set(`config of ${name}`, resolved(catalog, name));
    answers.set(`service-defaults ${name}`, named("service-defaults"));
    answers.set(`service-intentions ${name}`, named("service-intentions"));
    answers.set(
      `intentions to ${name}`,
      intentions(catalog, (_source, destination) => covers(destination)),
    );
    answers.set(
      `intentions from ${name}`,
      intentions(catalog, (source) => covers(source)),
    );
  }
  return answers;
}

function destinationOf(service: ServiceRecord): string | undefined {
  return service.Proxy?.DestinationServiceName ?? (service.Connect.Native ? service.Service : undefined);
}

function instances(catalog: NaiveCatalog, isWanted: (service: ServiceRecord) => boolean): unknown[] {
  return sortedBy(catalog.services.filter(isWanted), (service) => `${service.Node} ${service.ID}`).map((service) => {
    const checks = catalog.checks.filter((check) => check.Node === service.Node);
    return {
      Node: catalog.nodes.find((node) => node.Node === service.Node),
      Service: service,
      Checks: [
        ...sortedChecks(checks.filter((check) => check.ServiceID === "")),
        ...sortedChecks(checks.filter((check) => check.ServiceID === service.ID)),
      ],
    };
  });
}

function tagsByName(services: readonly ServiceRecord[]): Map<string, string[]> {
  const names = [...new Set(services.map((service) => service.Service))].sort();
  const tagsOf = (name: string) => services.filter((service) => service.Service === name).flatMap(({ Tags }) => Tags);
  return new Map(names.map((name) => [name, [...new Set(tagsOf(name))].sort()]));
}

function intentions(catalog: NaiveCatalog, isWanted: (source: string, destination: string) => boolean): unknown[] {
  const all = catalog.entries.flatMap((entry) =>
    entry.Kind !== "service-intentions"
      ? []
      : entry.Sources.filter((source) => isWanted(source.Name, entry.Name)).map((source) => ({
          sourceName: source.Name,
          destinationName: entry.Name,
          action: source.Action,
          precedence: source.Precedence,
          description: source.Description,
        })),
  );
  return sortedBy(all, (rule) => `${9 - rule.precedence} ${rule.sourceName} ${rule.destinationName}`);
}

function resolved(catalog: NaiveCatalog, service: string): unknown {
  const isOwn = (entry: ConfigEntryRecord) => entry.Kind === "service-defaults" && entry.Name === service;
  const own = catalog.entries.find(isOwn);
  const mesh = catalog.entries.find((entry) => entry.Kind === "proxy-defaults");
  const rules = catalog.entries.find((entry) => entry.Kind === "mesh");
  const ownProtocol = own?.Kind === "service-defaults" ? own.Protocol : "";
  const meshProtocol = mesh?.Kind === "proxy-defaults" ? mesh.Config["protocol"] : "";
  return {
    service,
    protocol: ownProtocol || meshProtocol || "tcp",
    localConnectTimeoutMs: 5000,
    localRequestTimeoutMs: 0,
    maxInboundConnections: 0,
    ...(rules?.Kind === "mesh" && {
      mesh: {
        SanitizeXForwardedClientCert: rules.SanitizeXForwardedClientCert,
        RequestNormalization: rules.RequestNormalization,
      },
    }),
  };
}

function sortedChecks(checks: readonly CheckRecord[]): CheckRecord[] {
  return sortedBy(checks, (check) => `${check.Node} ${check.CheckID}`);
}

function sortedBy<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  return items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
