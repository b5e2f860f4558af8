import type { Sight } from "../../lib/acl/sight.ts";
import type { ServiceInstance } from "../../lib/contract/catalog.ts";
import { instanceFields, serviceNodeFields } from "../../lib/contract/filter-shapes.ts";
import type { ReadQuery } from "../../lib/http/read-query.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { seesInstance } from "./acl-sight.ts";
import { mergeCentralConfig } from "./central-config.ts";
import { filterInstances } from "./instance-filters.ts";
import type { ListSpec } from "./read-endpoint.ts";
import { createRecordFilter } from "../../lib/http/record-filter.ts";

/** Where the instances of a list come from: the services of a name, or who takes mesh traffic for it. */
export type InstanceSource = (reader: StateReader) => Read<readonly ServiceInstance[]>;

/** Which of them a caller may see. */
export type InstanceSight = (instances: readonly ServiceInstance[], sight: Sight) => readonly ServiceInstance[];

const seeInstances: InstanceSight = (instances, sight) => sight.keep(instances, seesInstance);

type Instances = readonly ServiceInstance[];

const nothing: Read<Instances> = { index: 1, value: [], watch: [] };

/** The services behind ingress gateways, of which there are none yet. */
export const noInstances: InstanceSource = () => nothing;

const healthFilter = createRecordFilter<ServiceInstance>(instanceFields);
const catalogFilter = createRecordFilter<ServiceInstance>(serviceNodeFields);

/** Lists of `/v1/health`. They come in the order of the catalog's, which clients rely on. */
export function healthList(
  source: InstanceSource,
  answerOf: (instance: ServiceInstance) => object,
  see: InstanceSight = seeInstances,
): ListSpec<Instances, ServiceInstance> {
  return {
    ...instanceList(source, answerOf),
    filter: healthFilter,
    records: (instances, wanted, sight) => filterInstances(see(instances, sight), wanted),
  };
}

/** Lists of `/v1/catalog`, which know nothing of health. */
export function catalogList(
  source: InstanceSource,
  answerOf: (instance: ServiceInstance) => object,
  see: InstanceSight = seeInstances,
): ListSpec<Instances, ServiceInstance> {
  return {
    ...instanceList(source, answerOf),
    filter: catalogFilter,
    records: (instances, wanted, sight) => filterInstances(see(instances, sight), { ...wanted, isOnlyPassing: false }),
  };
}

function instanceList(
  source: InstanceSource,
  answerOf: (instance: ServiceInstance) => object,
): Pick<ListSpec<Instances, ServiceInstance>, "query" | "nodeOf" | "shape" | "isCacheable"> {
  return {
    isCacheable: true,
    query: (reader, parameters) => instancesFor(source, reader, parameters),
    nodeOf: (instance) => instance.Node.Node,
    shape: (instances) => instances.map(answerOf),
  };
}

/** Nothing is imported from other clusters yet. */
function instancesFor(source: InstanceSource, reader: StateReader, parameters: ReadQuery): Read<Instances> {
  if (parameters.peer !== "") return nothing;
  const read = source(reader);
  return parameters.isMergingCentralConfig ? mergeCentralConfig(reader, read) : read;
}
