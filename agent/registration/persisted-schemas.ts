import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { checkStatuses, serviceKinds } from "../../lib/contract/catalog.ts";

/** The files under `<data-dir>/services` and `<data-dir>/checks`. Another `version` is another program's file. */
const TextMap = Type.Record(Type.String(), Type.String());
const OpenMap = Type.Record(Type.String(), Type.Unknown());
const Duration = Type.Number({ minimum: 0 });
const Port = Type.Integer({ minimum: 0, maximum: 65_535 });

const Probe = Type.Union([
  Type.Object({
    type: Type.Literal("http"),
    url: Type.String(),
    method: Type.String(),
    headers: Type.Record(Type.String(), Type.Array(Type.String())),
    body: Type.String(),
    tlsSkipVerify: Type.Boolean(),
    tlsServerName: Type.String(),
    disableRedirects: Type.Boolean(),
    intervalMs: Duration,
    timeoutMs: Duration,
  }),
  Type.Object({ type: Type.Literal("tcp"), address: Type.String(), intervalMs: Duration, timeoutMs: Duration }),
  Type.Object({ type: Type.Literal("ttl"), ttlMs: Duration }),
  Type.Object({ type: Type.Literal("alias"), node: Type.String(), service: Type.String() }),
]);

const Check = Type.Object({
  checkId: Type.String({ minLength: 1 }),
  name: Type.String(),
  notes: Type.String(),
  serviceId: Type.String(),
  initialStatus: Type.Enum([...checkStatuses]),
  successBeforePassing: Type.Integer(),
  failuresBeforeWarning: Type.Integer(),
  failuresBeforeCritical: Type.Integer(),
  deregisterCriticalServiceAfterMs: Duration,
  outputMaxBytes: Type.Integer(),
  probe: Probe,
});

const ConnectProxy = Type.Object({
  DestinationServiceName: Type.String(),
  DestinationServiceID: Type.String(),
  LocalServiceAddress: Type.String(),
  LocalServicePort: Port,
  Config: OpenMap,
  Upstreams: Type.Array(
    Type.Object({
      DestinationType: Type.Enum(["service", "prepared_query"]),
      DestinationName: Type.String(),
      Datacenter: Type.String(),
      LocalBindAddress: Type.String(),
      LocalBindPort: Port,
      Config: OpenMap,
    }),
  ),
});

const Service = Type.Object({
  kind: Type.Enum([...serviceKinds]),
  id: Type.String({ minLength: 1 }),
  name: Type.String({ minLength: 1 }),
  tags: Type.Array(Type.String()),
  meta: TextMap,
  address: Type.String(),
  port: Port,
  taggedAddresses: Type.Record(Type.String(), Type.Object({ Address: Type.String(), Port })),
  weights: Type.Object({ Passing: Type.Integer(), Warning: Type.Integer() }),
  enableTagOverride: Type.Boolean(),
  connectNative: Type.Boolean(),
  token: Type.Optional(Type.String()),
  locality: Type.Optional(Type.Object({ Region: Type.String(), Zone: Type.String() })),
  proxy: Type.Optional(ConnectProxy),
  checks: Type.Array(Check),
});

const version = Type.Literal(1);
/** Grows with every write: when two files claim one id after a crash, the later one is right. */
const sequence = Type.Integer({ minimum: 1 });

/** One registration, whole in one file: the service, then the sidecar that it asked for, each with its checks. */
export const serviceFileValidator = Compile(
  Type.Object({ version, sequence, services: Type.Array(Service, { minItems: 1, maxItems: 2 }) }),
);
export const checkFileValidator = Compile(Type.Object({ version, sequence, check: Check }));
export const checkStateFileValidator = Compile(
  Type.Object({
    version,
    checkId: Type.String(),
    status: Type.Enum([...checkStatuses]),
    output: Type.String(),
    /** Wall-clock milliseconds at which a TTL check expires; 0 for the other kinds. */
    expiresAtMs: Type.Number(),
  }),
);
