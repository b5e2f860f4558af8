import { aggregateStatus, type CheckFields } from "../../lib/contract/catalog.ts";
import type { ProbeResult } from "./probe-result.ts";

export interface AliasTarget {
  /** Empty: the node alone. */
  readonly serviceId: string;
  readonly hasService: boolean;
  readonly nodeName: string;
}

/** The worst of the node's and the service's own checks. `checks` must not hold the alias itself: it would follow itself. */
export function aliasStatus(
  target: AliasTarget,
  checks: readonly Pick<CheckFields, "Name" | "Status" | "Output" | "ServiceID">[],
): ProbeResult {
  const { serviceId, nodeName } = target;
  if (serviceId !== "" && !target.hasService) {
    return { status: "critical", output: `Service ${serviceId} could not be found on node ${nodeName}` };
  }
  const followed = checks.filter((check) => check.ServiceID === "" || check.ServiceID === serviceId);
  if (followed.length === 0) return { status: "passing", output: "No checks found." };
  const status = aggregateStatus(followed.map((check) => ({ Status: check.Status })));
  if (status === "passing") return { status, output: "All checks passing." };
  const cause = followed.find((check) => check.Status === status);
  return { status, output: `Aliased check "${cause?.Name ?? ""}" failing: ${cause?.Output ?? ""}` };
}
