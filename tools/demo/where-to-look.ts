import { adminUrl } from "./admin.ts";
import { webUrl } from "./call.ts";
import type { World } from "./world.ts";

/** What a person can try while the demo stays up. */
export function whereToLook(world: World): string {
  const { layout } = world;
  const server = world.api(layout.server).url;
  const { web, "api-ecs": api, db } = layout.instances;
  const intention = (action: string): string =>
    `curl -X PUT ${server}/v1/config -d '{"Kind":"service-intentions","Name":"api","Sources":[{"Name":"web","Action":"${action}"}]}'`;
  return `
The mesh stays up until you press Ctrl-C. Places to look:
  call web -> api -> db     curl ${webUrl(world)}
  deny web -> api           ${intention("deny")}
  allow it again            ${intention("allow")}
  the catalog               curl ${server}/v1/catalog/services
  instances and health      curl ${server}/v1/health/service/api
  the pod's agent           curl ${world.api(web.node).url}/v1/agent/services
  sidecar of web            curl ${adminUrl(web)}/config
  sidecar of ${api.id}        curl ${adminUrl(api)}/metrics
  sidecar of db             curl ${adminUrl(db)}/metrics
  logs and data             ${layout.folder}
`;
}
