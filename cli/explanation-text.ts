import type {
  Explanation,
  FieldChange,
  ShownChoice,
  ShownDestination,
  ShownEndpoint,
  ShownIntention,
  ShownReply,
  ShownRoute,
} from "../proxy/explain/explanation.ts";
import { formatTable } from "./table.ts";
import { treatmentLines } from "./treatment-text.ts";

/** Endpoints that are listed of one cluster; all of them are in the JSON. */
const maxEndpoints = 20;

/** An explanation for people: one paragraph per question, in the order in which the proxy asks them. */
export function explanationText(explanation: Explanation): string {
  const { listener, request, reply, route, intention, choices, settings, notes } = explanation;
  const { direction, path, service, protocol, listen } = listener;
  return [
    `${direction} ${service} (${path}), ${protocol} on ${listen}\n`,
    request === undefined
      ? ""
      : paragraph("request", [
          `${request.method} ${request.scheme}://${request.authority}${request.path}`,
          ...changeLines(request.changes),
        ]),
    intention === undefined ? "" : paragraph("intention", intentionLines(intention)),
    route === undefined || route.count === 0 ? "" : paragraph("route", routeLines(route)),
    outcomeText(explanation),
    ...(reply === undefined ? choices.map((choice) => choiceText(choice, choices.length > 1)) : []),
    settings.length === 0
      ? ""
      : paragraph(
          "not default",
          settings.map(({ path: at, value }) => `${at} = ${JSON.stringify(value)}`),
        ),
    ...notes.map((note) => paragraph("note", [note])),
  ].join("");
}

function outcomeText({ outcome, reply }: Explanation): string {
  const words = {
    forwarded: "forwarded",
    answered: "answered by the proxy",
    refused: "refused",
    undecided: "undecided",
  }[outcome];
  return paragraph(words, reply === undefined ? [] : replyLines(reply));
}

function replyLines({ status, reason, location, text }: ShownReply): string[] {
  return [
    `${status === 0 ? "" : `${status} `}${text}${reason === undefined ? "" : ` (${reason})`}`,
    ...(location === undefined ? [] : [`location: ${location}`]),
  ];
}

function intentionLines({ caller, isAllowed, isDryRun, rule, problem }: ShownIntention): string[] {
  const verdict = isAllowed ? (isDryRun ? "allowed, since the rule is only tried out" : "allowed") : "denied";
  return [`${verdict} by ${rule}`, `caller ${caller}`, ...(problem === undefined ? [] : [`token: ${problem}`])];
}

function routeLines({ index, count, name, path, matches }: ShownRoute): string[] {
  if (index < 0) return [`none of ${count} matches: ${path} decides`];
  return [
    `${name} (${path}), ${index + 1} of ${count}`,
    ...(matches.length === 0 ? ["matches everything"] : matches.map((each) => `matches ${each}`)),
  ];
}

function choiceText({ share, to, reply }: ShownChoice, isOneOfMany: boolean): string {
  const part = isOneOfMany ? `${Number((share * 100).toFixed(2))} % ` : "";
  const lines = reply === undefined ? [] : replyLines(reply);
  return paragraph(`${part}to`, to === undefined ? lines : [...lines, ...destinationLines(to)]);
}

function destinationLines(to: ShownDestination): string[] {
  const { cluster, subset, changes, timeouts, retry, limits, balancing, endpoints } = to;
  const tags = subset === undefined ? "" : `, subset ${tagText(subset)}`;
  const { request, grpc, idle, connect } = timeouts;
  const { clientConnections, connectionsPerEndpoint } = limits;
  return [
    `cluster ${cluster}${tags}`,
    ...changeLines(changes),
    `timeouts: request ${ms(request)}${grpc === undefined ? "" : `, grpc-timeout ${ms(grpc)}`}, idle ${ms(idle)}, connect ${ms(connect)}`,
    ...(retry === undefined
      ? ["retries: none"]
      : [
          `retries: ${retry.attempts} on ${retry.on.join(", ")}; of ${retry.methods.join(", ")}`,
          `  per try ${ms(retry.perTryTimeoutMs)}, pauses up to ${ms(retry.backoff.baseMs)} to ${ms(retry.backoff.maxMs)}`,
          `  budget ${retry.budget.percent} %, at least ${retry.budget.minConcurrent} under way and ${retry.budget.minPerSecond} per second`,
        ]),
    ...treatmentLines(to),
    `limits: ${clientConnections} connections of clients, ${connectionsPerEndpoint} to each endpoint`,
    ...(balancing === undefined ? [] : [balancingText(balancing)]),
    ...endpointLines(endpoints),
  ];
}

function balancingText({ policy, hash, endpoint }: NonNullable<ShownDestination["balancing"]>): string {
  const place = hash === undefined ? "" : `, hash ${hash} is for ${endpoint}`;
  return `balancer: ${policy}${place}`;
}

function endpointLines(endpoints: readonly ShownEndpoint[]): string[] {
  const eligible = endpoints.filter(({ isEligible }) => isEligible).length;
  // Those that count come first where not all can be listed.
  const listed = endpoints.toSorted((a, b) => Number(b.isEligible) - Number(a.isEligible)).slice(0, maxEndpoints);
  const rows = listed.map(({ address, service, weight, priority, zone, tags, isEligible, because }) => [
    `  ${isEligible ? "+" : "-"} ${address}${service === undefined ? "" : ` of ${service}`}`,
    `weight ${weight}`,
    `priority ${priority}`,
    `zone ${zone === "" ? "-" : zone}`,
    tagText(tags),
    because,
  ]);
  const more = endpoints.length - listed.length;
  return [
    `endpoints: ${eligible} of ${endpoints.length} eligible`,
    ...formatTable(rows).split("\n").slice(0, -1),
    ...(more > 0 ? [`  and ${more} more, all of them with -json`] : []),
  ];
}

function changeLines(changes: readonly FieldChange[]): string[] {
  return changes.map(({ change, name, value }) => `${change === "added" ? "+" : "-"} ${name}: ${value}`);
}

function tagText(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

function ms(value: number): string {
  return value === 0 ? "none" : `${value} ms`;
}

function paragraph(title: string, lines: readonly string[]): string {
  return `\n${title}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
