import { compileRegex } from "../../lib/base/linear-regex.ts";
import type { PreparedQueryFields, ServiceQuery } from "../../lib/contract/prepared-queries.ts";

/**
 * What a template makes of the name that it is asked by: `${name.full}`, `${name.prefix}` (the template's own name), `${name.suffix}`
 * (what comes behind it), `${match(N)}` (a group of its expression) and `${agent.segment}` (always empty) in any text of its service.
 */
const placeholder = /\$\{([^}]*)\}/g;
const known = /^(?:name\.(?:full|prefix|suffix)|agent\.segment|match\((\d{1,3})\))$/;

/** Why the texts of a query cannot be filled in; undefined when they can, or when it is no template. */
export function queryTemplateProblem({ Template, Service }: PreparedQueryFields): string | undefined {
  if (Template === undefined) return undefined;
  for (const text of textsOf(Service)) {
    for (const [whole, inner = ""] of text.matchAll(placeholder)) {
      if (!known.test(inner.trim())) {
        return `Bad Template: ${whole} is none of \${name.full}, \${name.prefix}, \${name.suffix}, \${match(N)} and \${agent.segment}`;
      }
    }
  }
  return undefined;
}

/** The query as it is for `name`: the template filled in; any other query as it is. */
export function renderQuery(query: PreparedQueryFields, name: string): PreparedQueryFields {
  const { Template, Service } = query;
  if (Template === undefined) return query;
  const groups = groupsOf(Template.Regexp, name);
  const filled = (inner: string): string => {
    const [, group] = known.exec(inner) ?? [];
    if (group !== undefined) return groups[Number(group)] ?? "";
    if (inner === "name.full") return name;
    if (inner === "name.prefix") return query.Name;
    return inner === "name.suffix" ? name.slice(query.Name.length) : "";
  };
  const fill = (text: string): string => text.replace(placeholder, (_, inner: string) => filled(inner.trim()));
  const tags = Service.Tags.map(fill);
  return {
    ...query,
    Service: {
      ...Service,
      Service: fill(Service.Service),
      Near: fill(Service.Near),
      Tags: Template.RemoveEmptyTags ? tags.filter((tag) => tag !== "" && tag !== "!") : tags,
      NodeMeta: filledMap(Service.NodeMeta, fill),
      ServiceMeta: filledMap(Service.ServiceMeta, fill),
      IgnoreCheckIDs: Service.IgnoreCheckIDs.map(fill),
      Failover: { ...Service.Failover, Datacenters: Service.Failover.Datacenters.map(fill) },
    },
  };
}

function groupsOf(pattern: string, name: string): readonly string[] {
  if (pattern === "") return [];
  const compiled = compileRegex(pattern);
  return compiled.ok ? (compiled.regex.find(name) ?? []) : [];
}

function filledMap(map: Readonly<Record<string, string>>, fill: (text: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, fill(value)]));
}

function textsOf(service: ServiceQuery): readonly string[] {
  return [
    service.Service,
    service.Near,
    ...service.Tags,
    ...service.IgnoreCheckIDs,
    ...Object.values(service.NodeMeta),
    ...Object.values(service.ServiceMeta),
    ...service.Failover.Datacenters,
  ];
}
