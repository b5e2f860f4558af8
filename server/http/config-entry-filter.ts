import { boolean, number, type ShapeFields, struct, structs, text, textMap } from "../../lib/base/filter-shape.ts";
import type { ConfigEntryRecord } from "../../lib/contract/config-entries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { createRecordFilter, type RecordFilter } from "../../lib/http/record-filter.ts";

/** `?filter` over the entries of a kind. Consul has it for one kind only. */
export function configEntryFilter(kind: string): RecordFilter<ConfigEntryRecord> {
  return kind === "service-defaults" ? serviceDefaultsFilter : refusing(kind);
}

const shape: ShapeFields = {
  Kind: text,
  Name: text,
  Protocol: text,
  Mode: text,
  TransparentProxy: struct({ OutboundListenerPort: number, DialedDirectly: boolean }),
  MeshGateway: struct({ Mode: text }),
  Expose: struct({
    Checks: boolean,
    Paths: structs({ ListenerPort: number, LocalPathPort: number, Path: text, Protocol: text }),
  }),
  ExternalSNI: text,
  MaxInboundConnections: number,
  LocalConnectTimeoutMs: number,
  LocalRequestTimeoutMs: number,
  BalanceInboundConnections: text,
  Meta: textMap,
};
const serviceDefaultsFilter = createRecordFilter<ConfigEntryRecord>(shape);

function refusing(kind: string): RecordFilter<ConfigEntryRecord> {
  return {
    check(expression) {
      if (expression === "") return;
      throw new AtollError("INVALID_ARGUMENT", `filtering not supported for config entry kind=${kind}`, {
        status: 500,
      });
    },
    apply: (entries) => entries,
  };
}
