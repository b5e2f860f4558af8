import type { Random } from "../../../lib/base/random.ts";
import { type CheckFields, checkStatuses } from "../../../lib/contract/catalog.ts";
import type { Command } from "../../../lib/contract/commands.ts";
import {
  escapedSlashesActions,
  type IntentionAction,
  underscoresActions,
} from "../../../lib/contract/config-entries.ts";
import {
  checkFields,
  deregisterCommand,
  intentionsEntry,
  nodeFields,
  registerCommand,
  serviceFields,
  sidecarFields,
} from "./records.ts";

/** Few names, so that commands meet again and again. */
export const randomNodes = ["n1", "n2", "n3"];
export const randomNames = ["web", "api", "web-sidecar-proxy", "api-sidecar-proxy"];
const ids = ["a", "b"];

/** Valid commands of every kind that the catalog and the config entries have; some change nothing. */
export function randomCommand(random: Random, hasService: (node: string, id: string) => boolean): Command {
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random.float() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const node = pick(randomNodes);
  const id = pick(ids);
  const name = pick(["web", "api"]);
  const nodeRecord = nodeFields(node, {
    Address: random.float() < 0.9 ? "10.0.0.1" : "10.0.0.2",
    Meta: { zone: random.float() < 0.8 ? "a" : "b" },
  });
  const check = (serviceId: string): CheckFields =>
    checkFields(node, pick(["c1", "c2"]), { Status: pick(checkStatuses), ServiceID: serviceId });
  const roll = random.float();
  if (roll < 0.3) {
    const Tags = pick([[], ["v1"], ["v2", "v1"]]);
    const service = serviceFields(name, { ID: id, Tags, Connect: { Native: random.float() < 0.3 } });
    return registerCommand(node, { node: nodeRecord, service, checks: random.float() < 0.5 ? [check(id)] : [] });
  }
  if (roll < 0.4) return registerCommand(node, { node: nodeRecord, service: sidecarFields(name, { ID: id }) });
  if (roll < 0.6) {
    const serviceId = random.float() < 0.5 && hasService(node, id) ? id : "";
    return registerCommand(node, { node: nodeRecord, checks: [check(serviceId)] });
  }
  if (roll < 0.7) return deregisterCommand(node, { serviceId: id });
  if (roll < 0.75) return deregisterCommand(node, { checkId: pick(["c1", "c2"]) });
  if (roll < 0.78) return deregisterCommand(node);
  if (roll < 0.81) {
    const addresses = pick([[], ["10.9.0.1"], ["10.9.0.2", "10.9.0.1"]]);
    return { type: "virtual-ip-manual", service: name, addresses };
  }
  if (roll < 0.83) {
    const Coord = { Vec: Array.from({ length: 8 }, () => pick([0, 0.25])), Error: 1.5, Adjustment: 0, Height: 0 };
    const coordinate = { Node: node, Segment: "", Coord };
    if (roll < 0.82) return { type: "coordinate-update", coordinate };
    return { type: "coordinates-update", coordinates: [coordinate, { ...coordinate, Node: pick(randomNodes) }] };
  }
  return randomConfigCommand(random, pick, name);
}

function randomConfigCommand(random: Random, pick: <T>(items: readonly T[]) => T, name: string): Command {
  const roll = random.float();
  const kind = pick(["service-defaults", "service-intentions", "proxy-defaults", "mesh"] as const);
  if (roll < 0.3) {
    const entryName = kind === "mesh" ? "mesh" : kind === "proxy-defaults" ? "global" : pick([name, "*"]);
    return { type: "config-entry-delete", kind, name: entryName };
  }
  if (kind === "service-intentions") {
    const sources = new Map<string, IntentionAction>([[pick(["web", "api", "*"]), pick(["allow", "deny"])]]);
    if (random.float() < 0.5) sources.set(pick(["web", "api", "*"]), pick(["allow", "deny"]));
    const destination = pick([name, "*"]);
    return { type: "config-entry-upsert", entry: intentionsEntry(destination, Object.fromEntries(sources)) };
  }
  if (kind === "mesh") {
    const entry = { Kind: kind, Name: "mesh", Meta: {}, SanitizeXForwardedClientCert: random.float() < 0.5 } as const;
    const RequestNormalization = {
      InsecureDisablePathNormalization: false,
      MergeSlashes: random.float() < 0.5,
      PathWithEscapedSlashesAction: pick(escapedSlashesActions),
      HeadersWithUnderscoresAction: pick(underscoresActions),
    };
    return { type: "config-entry-upsert", entry: { ...entry, RequestNormalization } };
  }
  if (kind === "proxy-defaults") {
    const Config = { protocol: pick(["http", "grpc"]) };
    return { type: "config-entry-upsert", entry: { Kind: kind, Name: "global", Meta: {}, Config } };
  }
  return {
    type: "config-entry-upsert",
    entry: {
      Kind: kind,
      Name: name,
      Meta: {},
      Protocol: pick(["", "http", "tcp"]),
      MaxInboundConnections: 0,
      LocalConnectTimeoutMs: 0,
      LocalRequestTimeoutMs: 0,
    },
  };
}
