import { catalogOwner, type CheckRecord, leaseOwner, nodeLivenessCheckId } from "../contract/catalog.ts";

/** A health check as `/v1` answers it, whether the catalog or an agent is asked. */
export function checkAnswer(check: CheckRecord): object {
  return {
    Node: check.Node,
    CheckID: check.CheckID,
    Name: check.Name,
    Status: check.Status,
    Notes: check.Notes,
    Output: check.Output,
    ServiceID: check.ServiceID,
    ServiceName: check.ServiceName,
    ServiceTags: check.ServiceTags,
    Type: check.Type,
    Interval: check.Interval,
    Timeout: check.Timeout,
    ExposedPort: 0,
    Definition: check.Definition,
    CreateIndex: check.CreateIndex,
    ModifyIndex: check.ModifyIndex,
    Owner: check.Owner ?? (check.CheckID === nodeLivenessCheckId ? leaseOwner : catalogOwner),
  };
}
