import { type KeptKind, recordsIn } from "../../lib/contract/kept-entries.ts";
import { type EntryLookup, protocolOf, tableLookup } from "./chain-entries.ts";
import { type Proposal, withProposal } from "./chain-rules.ts";
import { type Refusal, refuse } from "./name-rules.ts";
import { compareText } from "./order.ts";
import type { Tables } from "./tables.ts";

/** Kinds of gateway of which a name can be one only, as the name is that of the gateway's service. */
const gatewayKinds: readonly KeptKind[] = ["api-gateway", "ingress-gateway", "terminating-gateway"];

/**
 * Why a write would leave a gateway that cannot be: two of one name, or a listener of an `ingress-gateway` whose protocol is not that of the
 * service behind it. Looks through the entries of gateways, which are few.
 */
export function gatewayProblem(tables: Tables, proposal: Proposal): Refusal | undefined {
  return gatewayClash(tables, proposal) ?? listenerProblem(tables, proposal);
}

function gatewayClash(tables: Tables, { kind, name, entry }: Proposal): Refusal | undefined {
  if (entry === undefined || !gatewayKinds.some((one) => one === kind)) return undefined;
  const other = gatewayKinds.find((one) => one !== kind && tables.configEntries.get(one, name) !== undefined);
  if (other === undefined) return undefined;
  const message = `cannot create a "${kind}" config entry with name "${name}", a "${other}" config entry with that name already exists`;
  return refuse("INVALID_ARGUMENT", message);
}

function listenerProblem(tables: Tables, proposal: Proposal): Refusal | undefined {
  const { kind, name, entry } = proposal;
  if (kind !== "ingress-gateway" && kind !== "service-defaults" && kind !== "proxy-defaults") return undefined;
  const lookup = withProposal(tableLookup(tables), proposal);
  const stored = [...tables.configEntries.ofKind("ingress-gateway")].filter(
    (gateway) => kind !== "ingress-gateway" || gateway.Name !== name,
  );
  const gateways = kind === "ingress-gateway" && entry !== undefined ? [...stored, entry] : stored;
  for (const gateway of gateways.sort((a, b) => compareText(a.Name, b.Name))) {
    for (const { protocol, service } of "Fields" in gateway ? listenersOf(gateway.Fields) : []) {
      const problem = mismatch(lookup, protocol, service);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

function mismatch(lookup: EntryLookup, protocol: string, service: string): Refusal | undefined {
  const own = protocolOf(lookup, service);
  if (service === "*" || own === protocol) return undefined;
  const message = `service "${service}" has protocol "${own}", which does not match defined listener protocol "${protocol}"`;
  return refuse("INVALID_ARGUMENT", message);
}

/** What each listener of an entry leads to; the entry was checked when it was written. */
function listenersOf(fields: Readonly<Record<string, unknown>>): { protocol: string; service: string }[] {
  return recordsIn(fields["Listeners"]).flatMap((listener) =>
    recordsIn(listener["Services"]).map((service) => ({
      protocol: String(listener["Protocol"]),
      service: String(service["Name"]),
    })),
  );
}
