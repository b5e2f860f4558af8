import type { BufferedMemory } from "../buffered-memory.ts";
import type { RequestRules } from "../message/request-rules.ts";
import type { HttpCounters } from "../telemetry/http-counters.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Upstream } from "./ends.ts";
import type { ExchangeObserver } from "./observation.ts";

/** What the exchanges of one listener share. */
export interface ExchangeContext {
  readonly counters: HttpCounters;
  readonly deadlines: Deadlines;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** The rules as they are now; the same object until they change. */
  readonly rules: () => RequestRules;
  /** Where a call of gRPC-Web goes: what it is given, or that behind a translation to gRPC. */
  readonly forGrpcWeb: (upstream: Upstream) => Upstream;
  readonly memory: BufferedMemory;
  /** Who wants to know of each exchange, if anybody does now. */
  readonly observer?: ExchangeObserver | undefined;
}
