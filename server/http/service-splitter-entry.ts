import { Type } from "typebox";
import type { Static } from "typebox";
import { roundWeight, type ServiceSplit, type ServiceSplitterEntry } from "../../lib/contract/service-splitter.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { calledService, common, entryBase, refusal, refuseTenancy, Text } from "./entry-fields.ts";
import { decodeModifiers, HeaderModifiersBody, modifiersAnswer } from "./header-modifiers-body.ts";

/** Consul's `service-splitter` entry. That its targets exist and do not go round in a circle is the state's to say. */
const SplitBody = Type.Object({
  Weight: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
  Service: Text,
  ServiceSubset: Text,
  Namespace: Text,
  Partition: Text,
  RequestHeaders: HeaderModifiersBody,
  ResponseHeaders: HeaderModifiersBody,
});
export const ServiceSplitterBody = Type.Object({
  ...common,
  Splits: Type.Optional(Type.Array(SplitBody, { maxItems: 100 })),
});

export function decodeServiceSplitter(body: Static<typeof ServiceSplitterBody>): ServiceSplitterEntry {
  const base = entryBase(body, calledService(body.Name, "Name"));
  const splits = (body.Splits ?? []).map((one, i) => split(one, `Splits[${i}]`));
  if (splits.length === 0) throw refusal("no splits configured");
  const seen = new Set<string>();
  for (const { Service, ServiceSubset } of splits) {
    const service = Service || base.Name;
    const key = JSON.stringify([service, ServiceSubset]);
    if (seen.has(key)) {
      throw refusal(`split destination occurs more than once: service="${service}", subset="${ServiceSubset}"`);
    }
    seen.add(key);
  }
  const sum = roundWeight(splits.reduce((total, { Weight }) => total + Weight, 0));
  if (sum !== 100) throw refusal(`the sum of all split weights must be 100, not ${sum}`);
  return { Kind: "service-splitter", ...base, Splits: splits };
}

function split(body: Static<typeof SplitBody>, path: string): ServiceSplit {
  refuseTenancy(body, `${path}.`);
  const RequestHeaders = decodeModifiers(body.RequestHeaders, "request", `${path}.RequestHeaders`);
  const ResponseHeaders = decodeModifiers(body.ResponseHeaders, "response", `${path}.ResponseHeaders`);
  return {
    Weight: roundWeight(body.Weight ?? 0),
    Service: calledService(body.Service, `${path}.Service`),
    ServiceSubset: body.ServiceSubset ?? "",
    ...(RequestHeaders !== undefined && { RequestHeaders }),
    ...(ResponseHeaders !== undefined && { ResponseHeaders }),
  };
}

/** Consul's JSON of what the entry says beside its name. */
export function serviceSplitterAnswer({ Splits }: ServiceSplitterEntry): object {
  return {
    Splits: Splits.map((one) => ({
      Weight: one.Weight,
      ...unlessEmpty("Service", one.Service),
      ...unlessEmpty("ServiceSubset", one.ServiceSubset),
      ...modifiersAnswer(one),
    })),
  };
}
