/**
 * Which virtual address a mesh service has. A service is given the next number with its first mesh-capable instance, or with
 * an entry that routes, splits or resolves it, and keeps it when all of them are gone, so that a restart changes nothing for those who remember it. Of services that are
 * gone only so many are kept, the latest ones; a number is not given again before all others were.
 */
import { assert } from "../../lib/base/assert.ts";
import type { ServiceFields, TaggedAddress } from "../../lib/contract/catalog.ts";
import type { ConfigEntry } from "../../lib/contract/config-entries.ts";
import type { CommandResult, VirtualIpManual } from "../../lib/contract/commands.ts";
import {
  consulVirtualAddress,
  manualIpsProblem,
  maxVirtualOffset,
  type VirtualIpFields,
  virtualAddressTag,
} from "../../lib/contract/virtual-address.ts";
import type { ChangeSet } from "./change-set.ts";
import { nameProblem, refuse } from "./name-rules.ts";
import { compareText } from "./order.ts";
import { connectDestination } from "./service-table.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";

/** Services without instances whose numbers are kept. */
const maxUnused = 4_096;

/** The instance with its service's virtual address among its tagged ones; of no service, without any. */
export function withVirtualAddress<T extends ServiceFields>(tables: Tables, changes: ChangeSet, service: T): T {
  const destination = connectDestination(service);
  if (destination === undefined) {
    if (service.TaggedAddresses[virtualAddressTag] === undefined) return service;
    const { [virtualAddressTag]: _forged, ...others } = service.TaggedAddresses;
    return { ...service, TaggedAddresses: others };
  }
  const offset = useOffset(tables, changes, destination);
  const address: TaggedAddress = { Address: consulVirtualAddress(offset).join("."), Port: service.Port };
  return { ...service, TaggedAddresses: { ...service.TaggedAddresses, [virtualAddressTag]: address } };
}

/** An entry that makes a service of its name, whether it has instances or not. */
export function claimVirtualAddress(tables: Tables, changes: ChangeSet, { Kind, Name }: EntryName): void {
  if (isServiceKind(Kind)) useOffset(tables, changes, Name);
}

/** After an entry was deleted. */
export function unclaimVirtualAddress(tables: Tables, changes: ChangeSet, { Kind, Name }: EntryName): void {
  if (isServiceKind(Kind)) releaseVirtualAddress(tables, changes, Name);
}

type EntryName = Pick<ConfigEntry, "Kind" | "Name">;

const serviceKinds = ["service-resolver", "service-router", "service-splitter"] as const;

function isServiceKind(kind: string): boolean {
  return serviceKinds.some((known) => known === kind);
}

function isUsed(tables: Tables, service: string): boolean {
  if (tables.services.connectTo(service).size > 0) return true;
  return serviceKinds.some((kind) => tables.configEntries.get(kind, service) !== undefined);
}

/** After an instance of `destination` has gone. */
export function releaseVirtualAddress(tables: Tables, changes: ChangeSet, destination: string | undefined): void {
  if (destination === undefined || isUsed(tables, destination)) return;
  const record = tables.virtualIps.get(destination);
  if (record === undefined || record.UnusedSince > 0) return;
  put(tables, changes, { ...fieldsOf(record), UnusedSince: changes.index });
  forgetOldest(tables, changes);
}

/** Gives a service addresses of somebody's choice, and takes them from whoever had them. Not applied: it has no number. */
export function setManualIps(tables: Tables, changes: ChangeSet, command: VirtualIpManual): CommandResult {
  const { service, addresses } = command;
  const badName = nameProblem("Service", service);
  if (badName !== undefined) return badName;
  const problem = manualIpsProblem(addresses);
  if (problem !== undefined) return refuse("INVALID_ARGUMENT", problem);
  const record = tables.virtualIps.get(service);
  if (record === undefined) return { ok: true, applied: false };
  const wanted = [...new Set(addresses)];
  for (const address of wanted) {
    const holder = tables.virtualIps.get(tables.virtualIps.holderOf(address) ?? service);
    if (holder === undefined || holder.Service === service) continue;
    put(tables, changes, { ...fieldsOf(holder), ManualIPs: holder.ManualIPs.filter((other) => other !== address) });
  }
  put(tables, changes, { ...fieldsOf(record), ManualIPs: wanted });
  return { ok: true, applied: true };
}

function useOffset(tables: Tables, changes: ChangeSet, service: string): number {
  const known = tables.virtualIps.get(service);
  if (known !== undefined) {
    if (known.UnusedSince > 0) put(tables, changes, { ...fieldsOf(known), UnusedSince: 0 });
    return known.Offset;
  }
  const Offset = nextOffset(tables);
  put(tables, changes, { Service: service, Offset, ManualIPs: [], UnusedSince: 0 });
  return Offset;
}

/** The next one after the newest that nobody has; there are more of them than there can be services. */
function nextOffset({ virtualIps }: Tables): number {
  let offset = virtualIps.newest()?.Offset ?? 0;
  for (let tries = 0; tries < maxVirtualOffset; tries++) {
    offset = offset >= maxVirtualOffset ? 1 : offset + 1;
    if (!virtualIps.hasOffset(offset)) return offset;
  }
  assert(false, "every virtual address is taken");
}

/** The newest stays whatever happens, since the next number follows from it. */
function forgetOldest(tables: Tables, changes: ChangeSet): void {
  const unused = tables.virtualIps.unused();
  if (unused.size <= maxUnused) return;
  const newest = tables.virtualIps.newest()?.Service;
  const [oldest] = [...unused.values()]
    .filter((record) => record.Service !== newest)
    .sort((a, b) => a.UnusedSince - b.UnusedSince || compareText(a.Service, b.Service));
  if (oldest !== undefined) tables.virtualIps.remove(changes, oldest);
}

function put(tables: Tables, changes: ChangeSet, fields: VirtualIpFields): void {
  const record = upserted(tables.virtualIps.get(fields.Service), fields, changes.index);
  if (record !== undefined) tables.virtualIps.put(changes, record);
}

function fieldsOf({ Service, Offset, ManualIPs, UnusedSince }: VirtualIpFields): VirtualIpFields {
  return { Service, Offset, ManualIPs, UnusedSince };
}
