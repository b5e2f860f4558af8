import type { ServiceInstance, StringMap } from "../../lib/contract/catalog.ts";
import type { ReadQuery } from "../../lib/http/read-query.ts";

/** Keeps the instances that `?tag`, `?node-meta` and `?passing` ask for; each may be given several times, all must hold. */
export function filterInstances(
  instances: readonly ServiceInstance[],
  wanted: Pick<ReadQuery, "tags" | "nodeMeta" | "isOnlyPassing">,
): readonly ServiceInstance[] {
  return instances.filter(
    (instance) =>
      hasTags(instance.Service.Tags, wanted.tags) &&
      hasNodeMeta(instance.Node.Meta, wanted.nodeMeta) &&
      (!wanted.isOnlyPassing || instance.Checks.every((check) => check.Status === "passing")),
  );
}

/** Whether every wanted pair is in the node's Meta. */
export function hasNodeMeta(meta: StringMap, wanted: StringMap): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(meta, key) && meta[key] === value);
}

/** `wanted` is in lower case already. */
function hasTags(tags: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((tag) => tags.some((own) => own.toLowerCase() === tag));
}
