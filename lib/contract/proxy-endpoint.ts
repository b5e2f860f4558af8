import { Type } from "typebox";
import type { Static } from "typebox";
import { endpointPlacement } from "./proxy-cluster.ts";
import type { SchemaIssue } from "./schema-issues.ts";
import { patternOfService } from "./spiffe.ts";

/** The instances of a cluster, and who each has to be. */
export const ServiceName = (description: string) =>
  Type.String({ pattern: "^[A-Za-z0-9]([A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$", description });
export const ServerName = (description: string) => Type.String({ minLength: 1, maxLength: 253, description });

export const EndpointSchema = Type.Object(
  {
    address: Type.String({ minLength: 1, maxLength: 300, description: "host:port of the instance's proxy" }),
    service: Type.Optional(
      ServiceName(
        "whose instance it is, where that is not the cluster's service: it stands in the place of the service in `peerIdentity`",
      ),
    ),
    serverName: Type.Optional(
      ServerName("beside `service`: TLS server name in place of the cluster's; the service's name when absent"),
    ),
    weight: Type.Integer({ minimum: 1, maximum: 65_535, default: 1, description: "its share, beside the others'" }),
    ...endpointPlacement,
  },
  { additionalProperties: false },
);

export type EndpointConfig = Static<typeof EndpointSchema>;

/** What a schema cannot say of the endpoints of the cluster at `path`; `peerIdentity` is the cluster's. */
export function endpointIssues(
  path: string,
  { endpoints, peerIdentity }: { readonly endpoints: readonly EndpointConfig[]; readonly peerIdentity?: string },
): SchemaIssue[] {
  return endpoints.flatMap(({ service, serverName }, i) => {
    const at = `${path}.endpoints[${i}]`;
    if (service === undefined) {
      if (serverName === undefined) return [];
      return [{ path: `${at}.serverName`, message: `needs a service beside it, found "${serverName}" alone` }];
    }
    if (peerIdentity === undefined || patternOfService(peerIdentity, service) !== undefined) return [];
    const message = `needs a peerIdentity that ends in /svc/ and one segment, found "${peerIdentity}"`;
    return [{ path: `${at}.service`, message }];
  });
}
