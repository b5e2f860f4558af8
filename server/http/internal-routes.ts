import { isIP } from "node:net";
import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { consulVirtualAddress, loopbackVirtualAddress, manualIpsProblem } from "../../lib/contract/virtual-address.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import type { AddressHolders } from "../state/reader.ts";
import { mustName, ServicePath } from "./path-name.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";

const ManualBody = Type.Object({
  Service: Type.Optional(Type.String()),
  ManualVIPs: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
});
const AddressPath = Type.Object({ address: Type.String() });

/** Who has which address is looked up anew when it may have changed, but not more often than this. */
const holdersMaxAgeMs = 1_000;

/** `/v1/internal`: virtual addresses, and what agents ask for DNS. */
export function registerInternalRoutes(app: HttpApp, { server, runtime, reads, authorize }: RouteContext): void {
  const { reader } = server;

  /** Consul's. `Found` is false for a service that has no virtual address, and then nothing was changed. */
  app.put("/v1/internal/service-virtual-ip", { schema: { body: ManualBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "mesh", "write");
    const service = mustName(request.body.Service ?? "", "service name");
    const addresses = request.body.ManualVIPs ?? [];
    // Before anything is proposed; the state has the same rule.
    const problem = manualIpsProblem(addresses);
    if (problem !== undefined) throw new AtollError("INVALID_ARGUMENT", problem);
    const holders = addresses.map((address) => reader.manualIpHolder(address));
    const command = { type: "virtual-ip-manual", service, addresses } as const;
    const isFound = await proposeOrThrow({ server, request, command });
    const others = [...new Set(holders)].filter((name) => name !== undefined && name !== service);
    return sendJson(reply, {
      Found: isFound,
      UnassignedFrom: isFound ? others.map((Name) => ({ ServiceName: { Name }, Peer: "" })) : [],
    });
  });

  /** Ours. Both addresses follow from the number, so an agent needs no more than this. */
  app.get("/v1/internal/service-virtual-ip/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    demand(authorize(request), "service", "read", service);
    return reads.answer(request, reply, {
      query: (state) => state.virtualIp(service),
      body: (record) =>
        record === undefined
          ? null
          : {
              Service: record.Service,
              Offset: record.Offset,
              Address: consulVirtualAddress(record.Offset).join("."),
              LoopbackAddress: loopbackVirtualAddress(record.Offset).join("."),
              ManualVIPs: record.ManualIPs,
            },
    });
  });

  let known: { readonly index: number; readonly atMs: number; readonly holders: ReadonlyMap<string, AddressHolders> } =
    { index: -1, atMs: Number.NEGATIVE_INFINITY, holders: new Map() };
  const holdersOf = (address: string): AddressHolders | undefined => {
    const index = reader.appliedIndex();
    const nowMs = runtime.clock.monotonicMs();
    if (index !== known.index && nowMs - known.atMs >= holdersMaxAgeMs) {
      known = { index, atMs: nowMs, holders: reader.addressHolders() };
    }
    return known.holders.get(address);
  };

  const isCapital = (name: string): boolean => /[A-Z]/.test(name);
  let capital: {
    readonly index: number;
    readonly atMs: number;
    readonly services: string[];
    readonly nodes: string[];
  } = { index: -1, atMs: Number.NEGATIVE_INFINITY, services: [], nodes: [] };

  /** Ours: the names that DNS, which asks in lower case, would not find. */
  app.get("/v1/internal/capital-names", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const authorizer = authorize(request);
    const index = reader.appliedIndex();
    const nowMs = runtime.clock.monotonicMs();
    if (index !== capital.index && nowMs - capital.atMs >= holdersMaxAgeMs) {
      const services = [...reader.services().value.keys()].filter(isCapital);
      const nodes = reader.nodes().value.map((node) => node.Node);
      capital = { index, atMs: nowMs, services, nodes: nodes.filter(isCapital) };
    }
    return sendJson(reply, {
      Services: capital.services.filter((name) => authorizer.allows("service", "read", name)),
      Nodes: capital.nodes.filter((name) => authorizer.allows("node", "read", name)),
    });
  });

  /** Ours: the node, or else the services, with an address. */
  app.get("/v1/internal/address/:address", { schema: { params: AddressPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { address } = request.params;
    if (isIP(address) === 0) {
      throw new AtollError("INVALID_ARGUMENT", `${JSON.stringify(address)} is not a valid IP address`);
    }
    const authorizer = authorize(request);
    const found = holdersOf(address);
    const { node } = found ?? {};
    const Datacenter = server.datacenter;
    return sendJson(reply, {
      ...(node !== undefined &&
        authorizer.allows("node", "read", node.Node) && { Node: { Name: node.Node, Datacenter } }),
      Services: (found?.services ?? [])
        .filter((name) => authorizer.allows("service", "read", name))
        .map((Name) => ({ Name, Datacenter })),
    });
  });
}
