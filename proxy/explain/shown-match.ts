import type { FieldMatch, PathMatch, QueryMatch } from "../../lib/contract/proxy-match.ts";
import type { RouteMatch } from "../../lib/contract/proxy-routes.ts";

/** The conditions of a route in words, all of which hold; none for one that takes everything. */
export function shownMatch({ hosts, path, headers, query, methods, grpc }: RouteMatch): string[] {
  return [
    ...(hosts.length > 0 ? [`host ${hosts.join(" or ")}`] : []),
    ...(path === undefined ? [] : [`path ${shownText(path)}`]),
    ...(grpc === undefined ? [] : [`gRPC ${grpc.service ?? "*"}/${grpc.method ?? "*"}`]),
    ...headers.map((header) => `header ${header.name} ${header.invert ? "not " : ""}${shownText(header)}`),
    ...query.map((parameter) => `query ${parameter.name} ${shownText(parameter)}`),
    ...(methods.length > 0 ? [`method ${methods.join(" or ")}`] : []),
  ];
}

function shownText(match: PathMatch | FieldMatch | QueryMatch): string {
  if (match.type === "present") return "present";
  return `${match.type} "${match.value}"${"ignoreCase" in match && match.ignoreCase ? " in any case" : ""}`;
}
