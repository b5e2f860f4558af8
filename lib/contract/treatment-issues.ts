import { faultIssues } from "./proxy-fault.ts";
import { mirrorIssues } from "./proxy-mirror.ts";
import type { ProxyConfig } from "./proxy-config.ts";
import type { SchemaIssue } from "./schema-issues.ts";

/** Of what listeners do to requests beside sending them on: what a schema cannot say. */
export function treatmentIssues({ inbound, outbound }: ProxyConfig): SchemaIssue[] {
  const needs = "needs protocol http, http2 or grpc: there are no requests in tcp";
  const sides = { inbound, outbound };
  const issues = (["inbound", "outbound"] as const).flatMap((side) =>
    sides[side].flatMap(({ protocol, fault }, i) => {
      const path = `${side}[${i}].fault`;
      return protocol === "tcp" && fault !== undefined ? [{ path, message: needs }] : faultIssues(path, fault);
    }),
  );
  return [
    ...issues,
    ...outbound.flatMap(({ protocol, service, clusters, mirrors, hedge }, i) => {
      const path = `outbound[${i}].mirrors`;
      if (protocol !== "tcp") {
        return mirrorIssues(path, mirrors, new Set([service, ...clusters.map(({ name }) => name)]));
      }
      return [
        ...(mirrors.length > 0 ? [{ path, message: needs }] : []),
        ...(hedge !== undefined ? [{ path: `outbound[${i}].hedge`, message: needs }] : []),
      ];
    }),
  ];
}
