import type { Random } from "../../lib/base/random.ts";
import type { CheckRecord, ServiceInstance, StringMap } from "../../lib/contract/catalog.ts";
import type { ServiceQuery } from "../../lib/contract/prepared-queries.ts";

/** The instances that a query asks for, in the order that they came in. */
export function matchingInstances(
  instances: readonly ServiceInstance[],
  query: Pick<ServiceQuery, "OnlyPassing" | "IgnoreCheckIDs" | "Tags" | "NodeMeta" | "ServiceMeta">,
): readonly ServiceInstance[] {
  const wanted = query.Tags.filter((tag) => !tag.startsWith("!")).map((tag) => tag.toLowerCase());
  const unwanted = query.Tags.filter((tag) => tag.startsWith("!")).map((tag) => tag.slice(1).toLowerCase());
  return instances.filter(({ Node, Service, Checks }) => {
    const tags = new Set(Service.Tags.map((tag) => tag.toLowerCase()));
    return (
      Checks.every((check) => isTolerated(check, query)) &&
      wanted.every((tag) => tags.has(tag)) &&
      !unwanted.some((tag) => tags.has(tag)) &&
      hasPairs(Node.Meta, query.NodeMeta) &&
      hasPairs(Service.Meta, query.ServiceMeta)
    );
  });
}

/** Critical ones are never asked for; those that warn are unless `OnlyPassing` says otherwise. */
function isTolerated(
  { CheckID, Status }: CheckRecord,
  { OnlyPassing, IgnoreCheckIDs }: Pick<ServiceQuery, "OnlyPassing" | "IgnoreCheckIDs">,
): boolean {
  if (IgnoreCheckIDs.includes(CheckID)) return true;
  return Status === "passing" || (Status === "warning" && !OnlyPassing);
}

function hasPairs(pairs: StringMap, wanted: StringMap): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(pairs, key) && pairs[key] === value);
}

/** Fisher and Yates: so that clients that take the first spread over all. */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const other = Math.floor(random.float() * (i + 1));
    const [a, b] = [result[i], result[other]];
    if (a === undefined || b === undefined) continue;
    result[i] = b;
    result[other] = a;
  }
  return result;
}
