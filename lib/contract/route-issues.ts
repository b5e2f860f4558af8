import { compileRegex } from "../base/linear-regex.ts";
import { parseAuthorityPattern, parseHostPattern } from "./host-pattern.ts";
import { faultIssues } from "./proxy-fault.ts";
import { fieldEditIssues, fieldIssues } from "./proxy-field-edits.ts";
import { matchIssues } from "./proxy-match.ts";
import { mirrorIssues } from "./proxy-mirror.ts";
import { type RewriteConfig, type Route, type RouteMatch, weightSteps } from "./proxy-routes.ts";
import type { SchemaIssue } from "./schema-issues.ts";

/** Of a route at `path` in the document: what a schema cannot say. `clusters` are those that a target may name. */
export function routeIssues(path: string, route: Route, clusters: ReadonlySet<string>): SchemaIssue[] {
  return [
    ...conditionIssues(`${path}.match`, route.match),
    ...actionIssues(path, route),
    ...targetIssues(path, route, clusters),
    ...faultIssues(`${path}.forward.fault`, route.forward?.fault),
    ...mirrorIssues(`${path}.forward.mirrors`, route.forward?.mirrors, clusters),
    ...redirectIssues(`${path}.redirect`, route),
    ...replyIssues(`${path}.reply`, route),
    ...rewriteIssues(`${path}.rewrite`, route),
    ...fieldEditIssues(`${path}.requestHeaders`, route.requestHeaders, "request"),
    ...fieldEditIssues(`${path}.responseHeaders`, route.responseHeaders, "response"),
  ];
}

function conditionIssues(path: string, { hosts, path: pathMatch, headers, query, grpc }: RouteMatch): SchemaIssue[] {
  const issues = hosts.flatMap((host, i) =>
    parseHostPattern(host) === undefined
      ? [
          {
            path: `${path}.hosts[${i}]`,
            message: `must be a host, *.host or *, with or without a port, found "${host}"`,
          },
        ]
      : [],
  );
  if (pathMatch !== undefined) issues.push(...matchIssues(`${path}.path`, pathMatch));
  if (pathMatch !== undefined && grpc !== undefined) {
    issues.push({ path: `${path}.grpc`, message: "cannot stand beside path: it says what the path is" });
  }
  return [
    ...issues,
    ...headers.flatMap((match, i) => matchIssues(`${path}.headers[${i}]`, match)),
    ...query.flatMap((match, i) => matchIssues(`${path}.query[${i}]`, match)),
  ];
}

function actionIssues(path: string, route: Route): SchemaIssue[] {
  const actions = (["forward", "redirect", "reply"] as const).filter((key) => route[key] !== undefined);
  const [first, ...others] = actions;
  const issues = others.map((key) => ({ path: `${path}.${key}`, message: `cannot stand beside ${first}` }));
  if (first === undefined || first === "forward") return issues;
  if (route.rateLimit !== undefined) {
    issues.push({ path: `${path}.rateLimit`, message: `has no effect beside ${first}` });
  }
  if (route.rewrite !== undefined) issues.push({ path: `${path}.rewrite`, message: `has no effect beside ${first}` });
  const { set, add, remove } = route.requestHeaders;
  if (set.length + add.length + remove.length > 0) {
    issues.push({ path: `${path}.requestHeaders`, message: `have no effect beside ${first}` });
  }
  return issues;
}

function targetIssues(path: string, { forward }: Route, clusters: ReadonlySet<string>): SchemaIssue[] {
  if (forward === undefined) return [];
  const { targets } = forward;
  const issues = targets.flatMap(({ cluster, weight, subset, subsetFallback, requestHeaders, responseHeaders }, i) => {
    const at = `${path}.forward.targets[${i}]`;
    const hasCluster = cluster === undefined || clusters.has(cluster);
    const steps = weight * weightSteps;
    return [
      ...(hasCluster
        ? []
        : [{ path: `${at}.cluster`, message: `must be a cluster of this outbound, found "${cluster}"` }]),
      ...(Math.abs(steps - Math.round(steps)) < 1e-6
        ? []
        : [{ path: `${at}.weight`, message: `must be a multiple of 0.01, found ${weight}` }]),
      ...(subset === undefined && subsetFallback !== "no-fallback"
        ? [{ path: `${at}.subsetFallback`, message: "has no effect without subset" }]
        : []),
      ...fieldEditIssues(`${at}.requestHeaders`, requestHeaders, "request"),
      ...fieldEditIssues(`${at}.responseHeaders`, responseHeaders, "response"),
    ];
  });
  if (targets.some(({ weight }) => weight > 0)) return issues;
  return [
    ...issues,
    { path: `${path}.forward.targets`, message: "must have a weight above 0: nothing goes to any of them" },
  ];
}

function redirectIssues(path: string, { match, redirect }: Route): SchemaIssue[] {
  if (redirect === undefined) return [];
  const issues: SchemaIssue[] = [];
  if (redirect.host !== undefined) issues.push(...authorityIssues(`${path}.host`, redirect.host, false));
  if (redirect.path !== undefined) issues.push(...pathIssues(`${path}.path`, redirect.path));
  if (redirect.prefixRewrite === undefined) return issues;
  if (redirect.path !== undefined) issues.push({ path: `${path}.prefixRewrite`, message: "cannot stand beside path" });
  return [...issues, ...prefixIssues(`${path}.prefixRewrite`, redirect.prefixRewrite, match)];
}

function replyIssues(path: string, { reply }: Route): SchemaIssue[] {
  if (reply === undefined) return [];
  const issues = fieldIssues(`${path}.headers`, reply.headers, "response");
  reply.headers.forEach(({ name }, i) => {
    if (name.toLowerCase() !== "content-type") return;
    issues.push({ path: `${path}.headers[${i}].name`, message: `"${name}" is said by contentType` });
  });
  if (reply.body !== "" && [204, 205, 304].includes(reply.status)) {
    issues.push({ path: `${path}.body`, message: `must be empty with status ${reply.status}` });
  }
  return issues;
}

function rewriteIssues(path: string, { match, rewrite }: Route): SchemaIssue[] {
  if (rewrite === undefined) return [];
  const issues: SchemaIssue[] = [];
  const [first, ...others] = (["prefix", "path", "regex"] as const).filter((key) => rewrite[key] !== undefined);
  issues.push(...others.map((key) => ({ path: `${path}.${key}`, message: `cannot stand beside ${first}` })));
  if (rewrite.prefix !== undefined) issues.push(...prefixIssues(`${path}.prefix`, rewrite.prefix, match));
  if (rewrite.path !== undefined) issues.push(...pathIssues(`${path}.path`, rewrite.path));
  if (rewrite.regex !== undefined) issues.push(...substitutionIssues(`${path}.regex`, rewrite.regex));
  if (rewrite.host !== undefined) issues.push(...authorityIssues(`${path}.host`, rewrite.host, true));
  return issues;
}

function substitutionIssues(
  path: string,
  { pattern, substitution }: NonNullable<RewriteConfig["regex"]>,
): SchemaIssue[] {
  const compiled = compileRegex(pattern);
  if (!compiled.ok) {
    return [
      {
        path: `${path}.pattern`,
        message: `must be a regular expression of RE2, found "${pattern}": ${compiled.message}`,
      },
    ];
  }
  const at = `${path}.substitution`;
  const rest = substitution.replace(/\$(?:[$&]|\d{1,2})/g, (reference) => {
    const group = reference.slice(1);
    return group === "$" || group === "&" || isGroup(group, compiled.regex.groupCount) ? "" : reference;
  });
  if (rest.includes("$")) {
    const groups = compiled.regex.groupCount;
    return [
      {
        path: at,
        message: `must have $1 to a group of the pattern, which has ${groups}, or $& or $$, found "${substitution}"`,
      },
    ];
  }
  return /^[!"%-~]*$/.test(rest) && !rest.includes("?")
    ? []
    : [{ path: at, message: `must be part of a path, found "${substitution}"` }];
}

function isGroup(digits: string, groupCount: number): boolean {
  const group = Number(digits);
  return group >= 1 && group <= groupCount;
}

function prefixIssues(path: string, prefix: string, match: RouteMatch): SchemaIssue[] {
  if (match.grpc !== undefined) return [{ path, message: "needs match.path: the path of a gRPC call has no prefix" }];
  // By segments, no prefix at all is the root.
  if (prefix === "" && match.path?.type === "path-prefix") return [];
  return pathIssues(path, prefix);
}

function pathIssues(path: string, text: string): SchemaIssue[] {
  if (/^\/[!"$->@-~]*$/.test(text)) return [];
  return [{ path, message: `must be a path that begins with /, without query, blanks and fragment, found "${text}"` }];
}

function authorityIssues(path: string, text: string, mayHavePort: boolean): SchemaIssue[] {
  const authority = parseAuthorityPattern(text);
  if (authority !== undefined && (mayHavePort || authority.port === "")) return [];
  return [
    { path, message: `must be a host${mayHavePort ? ", with or without a port" : " without a port"}, found "${text}"` },
  ];
}
