import { Type } from "typebox";
import type { Static } from "typebox";
import { parseInstanceFilter } from "../../lib/contract/instance-filter.ts";
import type {
  ResolverFailover,
  ResolverSubset,
  ResolverTarget,
  ServiceResolverEntry,
} from "../../lib/contract/service-resolver.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import {
  Anything,
  calledService,
  common,
  Duration,
  durationMs,
  entryBase,
  Flag,
  refusal,
  refuseTenancy,
  Text,
} from "./entry-fields.ts";
import { decodeLoadBalancer, loadBalancerAnswer, LoadBalancerBody } from "./load-balancer-body.ts";
import { durationAnswer } from "./service-router-answer.ts";

/** Consul's `service-resolver` entry. That a subset of another service exists is the state's to say. */
const TargetBody = Type.Object({
  Service: Text,
  ServiceSubset: Text,
  Namespace: Text,
  Partition: Text,
  Datacenter: Anything,
  Peer: Anything,
  SamenessGroup: Anything,
});
const FailoverBody = Type.Object({
  Service: Text,
  ServiceSubset: Text,
  Namespace: Text,
  Datacenters: Anything,
  SamenessGroup: Anything,
  Targets: Type.Optional(Type.Array(TargetBody, { maxItems: 64 })),
  Policy: Type.Optional(Type.Object({ Mode: Text, Regions: Anything })),
});
export const ServiceResolverBody = Type.Object({
  ...common,
  DefaultSubset: Text,
  Subsets: Type.Optional(Type.Record(Type.String(), Type.Object({ Filter: Text, OnlyPassing: Flag }))),
  Redirect: Type.Optional(TargetBody),
  Failover: Type.Optional(Type.Record(Type.String(), FailoverBody)),
  ConnectTimeout: Duration,
  RequestTimeout: Duration,
  LoadBalancer: LoadBalancerBody,
  PrioritizeByLocality: Anything,
});

/** The bound of a proxy's document. */
const largestTimeoutMs = 86_400_000;
const maxSubsets = 1_000;
/** It becomes a label of a server name. */
const subsetName = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function decodeServiceResolver(body: Static<typeof ServiceResolverBody>): ServiceResolverEntry {
  const base = entryBase(body, calledService(body.Name, "Name"));
  const subsets = Object.entries(body.Subsets ?? {});
  if (subsets.length > maxSubsets) throw refusal(`Subsets: at most ${maxSubsets} are allowed, found ${subsets.length}`);
  const Subsets = Object.fromEntries(subsets.map(([name, one]) => [name, subset(name, one)]));
  const own: Own = { service: base.Name, hasSubset: (name) => Object.hasOwn(Subsets, name) };
  const DefaultSubset = body.DefaultSubset ?? "";
  if (DefaultSubset !== "" && !own.hasSubset(DefaultSubset)) {
    throw refusal(`DefaultSubset "${DefaultSubset}" is not a valid subset`);
  }
  if (body.Redirect !== undefined && isZeroValue(body.Redirect)) throw refusal("Redirect is empty");
  const Redirect = body.Redirect === undefined ? undefined : redirect(body.Redirect ?? {}, own);
  const failover = Object.entries(body.Failover ?? {});
  if (Redirect !== undefined && failover.length > 0) throw refusal("Redirect and Failover cannot both be set");
  const LoadBalancer = decodeLoadBalancer(body.LoadBalancer);
  return {
    Kind: "service-resolver",
    ...base,
    DefaultSubset,
    Subsets,
    ...(Redirect !== undefined && { Redirect }),
    Failover: Object.fromEntries(failover.map(([name, one]) => [name, failoverOf(name, one, own)])),
    ConnectTimeoutMs: durationMs(body.ConnectTimeout, "ConnectTimeout", largestTimeoutMs),
    RequestTimeoutMs: durationMs(body.RequestTimeout, "RequestTimeout", largestTimeoutMs),
    ...(LoadBalancer !== undefined && { LoadBalancer }),
  };
}

interface Own {
  readonly service: string;
  hasSubset(name: string): boolean;
}

function subset(
  name: string,
  { Filter = "", OnlyPassing = false }: { Filter?: string; OnlyPassing?: boolean },
): ResolverSubset {
  if (name === "") throw refusal("Subset defined with empty name");
  if (!subsetName.test(name)) {
    throw refusal(
      `Subset "${name}" is invalid: must be 1 to 63 of a-z, 0-9 and "-", with a letter or digit at each end`,
    );
  }
  const parsed = parseInstanceFilter(Filter);
  if (!parsed.ok) throw refusal(`Filter for subset "${name}" is not a valid expression: ${parsed.message}`);
  return { Filter, OnlyPassing };
}

function redirect(body: Static<typeof TargetBody>, own: Own): ResolverTarget {
  const target = targetOf(body, "Redirect.");
  if (target.Service === "") throw refusal("Redirect.ServiceSubset defined without Redirect.Service");
  if (isOwnMissing(target, own)) {
    throw refusal(`Redirect.ServiceSubset "${target.ServiceSubset}" is not a valid subset of "${own.service}"`);
  }
  return target;
}

function failoverOf(name: string, body: Static<typeof FailoverBody>, own: Own): ResolverFailover {
  const prefix = `Bad Failover["${name}"]`;
  if (name !== "*" && !own.hasSubset(name)) throw refusal(`${prefix}: not a valid subset`);
  const mode = body.Policy?.Mode ?? "";
  if ((mode !== "" && mode !== "default") || !isZeroValue(body.Policy?.Regions)) {
    throw refusal(`${prefix}.Policy is not supported by this version: leave it out`);
  }
  if (!isZeroValue(body.Datacenters)) {
    throw refusal(`${prefix}.Datacenters is not supported by this version: calls stay in their datacenter`);
  }
  const Targets = (body.Targets ?? []).map((target, i) => failoverTarget(target, `${prefix}.Targets[${i}]`, own));
  const { Datacenters: _, Targets: __, Policy: ___, ...rest } = body;
  if (Targets.length === 0) return { ...failoverTarget(rest, prefix, own), Targets };
  for (const field of ["Service", "ServiceSubset"] as const) {
    if (body[field]) throw refusal(`${prefix}: Targets cannot be set with ${field}`);
  }
  return { Service: "", ServiceSubset: "", Targets };
}

function failoverTarget(body: Static<typeof TargetBody>, path: string, own: Own): ResolverTarget {
  const target = targetOf(body, `${path}.`);
  if (isOwnMissing(target, own)) {
    throw refusal(`${path}: ServiceSubset "${target.ServiceSubset}" is not a valid subset of "${own.service}"`);
  }
  if (target.Service + target.ServiceSubset === "") {
    throw refusal(`${path}: one of Service, ServiceSubset or Targets is required`);
  }
  return target;
}

function isOwnMissing({ Service, ServiceSubset }: ResolverTarget, own: Own): boolean {
  const isOwn = Service === "" || Service === own.service;
  return isOwn && ServiceSubset !== "" && !own.hasSubset(ServiceSubset);
}

function targetOf(body: Static<typeof TargetBody>, path: string): ResolverTarget {
  refuseTenancy(body, path);
  for (const field of ["Datacenter", "Peer", "SamenessGroup"] as const) {
    if (isZeroValue(body[field])) continue;
    throw refusal(`${path}${field} is not supported by this version: calls stay in their datacenter`);
  }
  return { Service: calledService(body.Service, `${path}Service`), ServiceSubset: body.ServiceSubset ?? "" };
}

/** Consul's JSON of what the entry says beside its name. */
export function serviceResolverAnswer(entry: ServiceResolverEntry): object {
  const subsets = Object.entries(entry.Subsets).map(([name, { Filter, OnlyPassing }]) => [
    name,
    { ...unlessEmpty("Filter", Filter), ...(OnlyPassing && { OnlyPassing }) },
  ]);
  const failover = Object.entries(entry.Failover).map(([name, one]) => [
    name,
    { ...targetAnswer(one), ...unlessEmpty("Targets", one.Targets.map(targetAnswer)) },
  ]);
  return {
    ...unlessEmpty("DefaultSubset", entry.DefaultSubset),
    ...unlessEmpty("Subsets", Object.fromEntries(subsets)),
    ...(entry.Redirect !== undefined && { Redirect: targetAnswer(entry.Redirect) }),
    ...unlessEmpty("Failover", Object.fromEntries(failover)),
    ...durationAnswer("ConnectTimeout", entry.ConnectTimeoutMs),
    ...durationAnswer("RequestTimeout", entry.RequestTimeoutMs),
    ...(entry.LoadBalancer !== undefined && { LoadBalancer: loadBalancerAnswer(entry.LoadBalancer) }),
  };
}

function targetAnswer({ Service, ServiceSubset }: ResolverTarget): object {
  return { ...unlessEmpty("Service", Service), ...unlessEmpty("ServiceSubset", ServiceSubset) };
}
