import { isDeepStrictEqual } from "node:util";
import type {
  CheckFields,
  CheckRecord,
  Indexed,
  NodeRecord,
  ServiceFields,
  ServiceRecord,
} from "../../../lib/contract/catalog.ts";
import type { Command, DeregisterCommand, RegisterCommand } from "../../../lib/contract/commands.ts";
import type { ConfigEntryRecord, ServiceIntentionsEntry } from "../../../lib/contract/config-entries.ts";
import type { CoordinateFields, CoordinateRecord } from "../../../lib/contract/coordinates.ts";
import { intentionPrecedence } from "../../../lib/contract/intentions.ts";

/**
 * The catalog's rules written a second time with plain lists and full scans, as an oracle for the tables with their
 * secondary indexes. It takes only commands that are valid.
 */
export interface NaiveCatalog {
  nodes: NodeRecord[];
  services: ServiceRecord[];
  checks: CheckRecord[];
  entries: ConfigEntryRecord[];
  /** Numbers of mesh services; as few as there are here are kept for ever. */
  offsets: Map<string, number>;
  manualIps: Map<string, readonly string[]>;
  coordinates: CoordinateRecord[];
}

export function createNaiveCatalog(): NaiveCatalog {
  return {
    nodes: [],
    services: [],
    checks: [],
    entries: [],
    offsets: new Map(),
    manualIps: new Map(),
    coordinates: [],
  };
}

export function applyNaively(catalog: NaiveCatalog, index: number, command: Command): void {
  switch (command.type) {
    case "register":
      registerNaively(catalog, index, command);
      return;
    case "deregister":
      deregisterNaively(catalog, command);
      return;
    case "config-entry-upsert": {
      const sameEntry = (entry: ConfigEntryRecord) =>
        entry.Kind === command.entry.Kind && entry.Name === command.entry.Name;
      const entry = command.entry.Kind === "service-intentions" ? sortedIntentions(command.entry) : command.entry;
      catalog.entries = upsert(catalog.entries, sameEntry, { ...entry, CreateIndex: index, ModifyIndex: index });
      return;
    }
    case "config-entry-delete":
      catalog.entries = catalog.entries.filter((entry) => entry.Kind !== command.kind || entry.Name !== command.name);
      return;
    case "virtual-ip-manual": {
      const { service, addresses } = command;
      if (!catalog.offsets.has(service)) return;
      for (const [other, held] of catalog.manualIps) {
        catalog.manualIps.set(
          other,
          held.filter((address) => !addresses.includes(address)),
        );
      }
      catalog.manualIps.set(service, addresses);
      return;
    }
    case "coordinate-update":
      placeNaively(catalog, index, command.coordinate);
      return;
    case "coordinates-update":
      for (const coordinate of command.coordinates) placeNaively(catalog, index, coordinate);
      return;
    case "ca-initialize":
      throw new Error("not part of this oracle");
  }
}

function placeNaively(catalog: NaiveCatalog, index: number, coordinate: CoordinateFields): void {
  if (!catalog.nodes.some((node) => node.Node === coordinate.Node)) return;
  const record = { ...coordinate, CreateIndex: index, ModifyIndex: index };
  catalog.coordinates = upsert(catalog.coordinates, (other) => other.Node === coordinate.Node, record);
}

function registerNaively(catalog: NaiveCatalog, index: number, { node, service, checks }: RegisterCommand): void {
  const stamp = { CreateIndex: index, ModifyIndex: index };
  catalog.nodes = upsert(catalog.nodes, (record) => record.Node === node.Node, { ...node, ...stamp });
  if (service !== undefined) {
    const record = { ...withVirtualAddress(catalog, service), Node: node.Node, ...stamp };
    catalog.services = upsert(catalog.services, (other) => other.Node === node.Node && other.ID === service.ID, record);
  }
  const isNamed = (a: CheckFields) => (b: CheckFields) => a.Node === b.Node && a.CheckID === b.CheckID;
  const untouched = catalog.checks.filter((record) => !checks.some(isNamed(record)));
  for (const check of [...untouched, ...checks]) {
    const judged = catalog.services.find((other) => other.Node === check.Node && other.ID === check.ServiceID);
    const filled = { ...check, ...stamp, ServiceName: judged?.Service ?? "", ServiceTags: judged?.Tags ?? [] };
    catalog.checks = upsert(catalog.checks, isNamed(check), filled);
  }
}

function withVirtualAddress(catalog: NaiveCatalog, service: ServiceFields): ServiceFields {
  const destination = service.Connect.Native ? service.Service : service.Proxy?.DestinationServiceName;
  if (destination === undefined) return service;
  const offset = catalog.offsets.get(destination) ?? catalog.offsets.size + 1;
  catalog.offsets.set(destination, offset);
  const address = { Address: `240.0.0.${offset}`, Port: service.Port };
  return { ...service, TaggedAddresses: { ...service.TaggedAddresses, "consul-virtual": address } };
}

function deregisterNaively(catalog: NaiveCatalog, { node, serviceId, checkId }: DeregisterCommand): void {
  if (serviceId !== undefined) {
    catalog.services = catalog.services.filter((record) => record.Node !== node || record.ID !== serviceId);
    catalog.checks = catalog.checks.filter((record) => record.Node !== node || record.ServiceID !== serviceId);
  } else if (checkId !== undefined) {
    catalog.checks = catalog.checks.filter((record) => record.Node !== node || record.CheckID !== checkId);
  } else {
    catalog.nodes = catalog.nodes.filter((record) => record.Node !== node);
    catalog.services = catalog.services.filter((record) => record.Node !== node);
    catalog.checks = catalog.checks.filter((record) => record.Node !== node);
    catalog.coordinates = catalog.coordinates.filter((record) => record.Node !== node);
  }
}

function sortedIntentions(entry: ServiceIntentionsEntry): ServiceIntentionsEntry {
  const sources = entry.Sources.map((source) => ({
    ...source,
    Precedence: intentionPrecedence(source.Name, entry.Name),
  }));
  return { ...entry, Sources: sources.sort((a, b) => b.Precedence - a.Precedence || (a.Name < b.Name ? -1 : 1)) };
}

function upsert<T extends Indexed>(records: readonly T[], isSame: (record: T) => boolean, wanted: T): T[] {
  const existing = records.find(isSame);
  if (existing === undefined) return [...records, wanted];
  const updated = { ...wanted, CreateIndex: existing.CreateIndex };
  const isUnchanged = isDeepStrictEqual({ ...updated, ModifyIndex: existing.ModifyIndex }, existing);
  return records.map((record) => (record === existing && !isUnchanged ? updated : record));
}
