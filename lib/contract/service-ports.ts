import { Type } from "typebox";
import type { Static } from "typebox";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * The named ports of a service (Consul 1.22): in the place of `Port`, never beside it. Exactly what was written is kept
 * and answered; where one number is wanted (a sidecar's application, SRV without a port name), `defaultPort` says which.
 */
export const ServicePortSchema = Type.Object({
  Name: Type.String(),
  Port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  Default: Type.Boolean(),
});
export type ServicePort = Static<typeof ServicePortSchema>;

/** As a body has them: what is missing has a sentence of its own. */
export const ServicePortsBody = Type.Optional(
  Type.Array(
    Type.Object({
      Name: Type.Optional(Type.String()),
      Port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
      Default: Type.Optional(Type.Boolean()),
    }),
    { maxItems: 256 },
  ),
);
export type ServicePortsBody = Static<typeof ServicePortsBody>;

/** A port's name is a DNS label, so that it can be asked for by name. */
const namePattern = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/i;

/** Undefined when there are none, so that a record of one port stays what it was. */
export function readServicePorts(body: ServicePortsBody | undefined): readonly ServicePort[] | undefined {
  if (body === undefined || body.length === 0) return undefined;
  return body.map(({ Name = "", Port = 0, Default = false }) => ({ Name, Port, Default }));
}

/** What is wrong with `ports` beside `port`, which must be 0 then. */
export function servicePortIssues(
  path: string,
  port: number,
  ports: readonly ServicePort[] | undefined,
): SchemaIssue[] {
  if (ports === undefined) return [];
  const issues: SchemaIssue[] = [];
  if (port !== 0) issues.push({ path, message: "Port and Ports are mutually exclusive: leave one of them out" });
  for (const [i, one] of ports.entries()) {
    if (!namePattern.test(one.Name)) {
      const message = `must be 1 to 63 letters, digits, "-" or "_", found ${JSON.stringify(one.Name)}`;
      issues.push({ path: `${path}[${i}].Name`, message });
    }
    if (one.Port === 0) issues.push({ path: `${path}[${i}].Port`, message: "must be from 1 to 65535" });
    if (ports.findIndex(({ Name }) => Name === one.Name) < i) {
      issues.push({ path: `${path}[${i}].Name`, message: `"${one.Name}" is used twice: give each port its own name` });
    }
  }
  if (ports.filter((one) => one.Default).length > 1) issues.push({ path, message: "only one port can be the Default" });
  return issues;
}

/** The one port that stands for a service: `Port`, or of `Ports` the default, or the first. */
export function defaultPort(service: { readonly Port: number; readonly Ports?: readonly ServicePort[] }): number {
  if (service.Ports === undefined) return service.Port;
  return (service.Ports.find((port) => port.Default) ?? service.Ports[0])?.Port ?? 0;
}
