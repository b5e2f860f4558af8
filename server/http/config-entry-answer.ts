import type { ConfigEntryRecord } from "../../lib/contract/config-entries.ts";
import { unlessEmpty } from "./catalog-answers.ts";

/** Consul's JSON of a config entry. */
export function configEntryAnswer(entry: ConfigEntryRecord): object {
  return {
    Kind: entry.Kind,
    Name: entry.Name,
    ...kindFields(entry),
    ...unlessEmpty("Meta", entry.Meta),
    CreateIndex: entry.CreateIndex,
    ModifyIndex: entry.ModifyIndex,
  };
}

function kindFields(entry: ConfigEntryRecord): object {
  switch (entry.Kind) {
    case "proxy-defaults":
      return {
        ...unlessEmpty("Config", entry.Config),
        TransparentProxy: {},
        MeshGateway: {},
        Expose: {},
        AccessLogs: {},
      };
    case "service-defaults":
      return {
        ...unlessEmpty("Protocol", entry.Protocol),
        TransparentProxy: {},
        MeshGateway: {},
        Expose: {},
        ...unlessEmpty("MaxInboundConnections", entry.MaxInboundConnections),
        ...unlessEmpty("LocalConnectTimeoutMs", entry.LocalConnectTimeoutMs),
        ...unlessEmpty("LocalRequestTimeoutMs", entry.LocalRequestTimeoutMs),
      };
    case "service-intentions":
      return {
        Sources: entry.Sources.map((source) => ({
          Name: source.Name,
          Action: source.Action,
          Precedence: source.Precedence,
          Type: source.Type,
          ...unlessEmpty("Description", source.Description),
        })),
      };
  }
}
