import { decodeCheck } from "../../agent/registration/decode-check.ts";
import { mustDecode } from "../../agent/registration/decode-result.ts";
import { decodeService } from "../../agent/registration/decode-service.ts";
import { type Registrations, type RegistrationsOptions, startRegistrations } from "../../agent/registrations.ts";
import type { CheckDefinition, ServiceDefinition } from "../../agent/service-definition.ts";
import type { NodeFields } from "../../lib/contract/catalog.ts";
import { createTestRuntime, type TestRuntime } from "../fakes/test-runtime.ts";
import { createVirtualClock, type VirtualClock } from "../fakes/virtual-clock.ts";
import { createFakeCatalog, type FakeCatalog } from "./fake-catalog.ts";

export const testNode: NodeFields = {
  ID: "7a1f9d0e-7f0c-4c53-9d53-1f8f0f8f0001",
  Node: "vm1",
  Address: "10.0.0.1",
  Datacenter: "dc1",
  TaggedAddresses: { lan: "10.0.0.1" },
  Meta: {},
};

export interface TestAgent extends Registrations {
  readonly clock: VirtualClock;
  readonly runtime: TestRuntime;
  readonly catalog: FakeCatalog;
}

export interface TestAgentOptions extends Partial<Omit<RegistrationsOptions, "runtime" | "link">> {
  readonly dataDir: string;
  readonly clock?: VirtualClock;
  readonly catalog?: FakeCatalog;
}

/** The registrations of an agent on a virtual clock, beside a catalog that is in the same process. */
export async function startTestAgent(options: TestAgentOptions): Promise<TestAgent> {
  const clock = options.clock ?? createVirtualClock(1_750_000_000_000);
  const catalog = options.catalog ?? createFakeCatalog();
  const runtime = createTestRuntime({ clock });
  const registrations = await startRegistrations({
    node: testNode,
    isServer: false,
    configured: { services: [], checks: [] },
    ...options,
    runtime,
    link: catalog.link,
  });
  return { ...registrations, clock, runtime, catalog };
}

export function service(document: object): ServiceDefinition {
  return mustDecode(decodeService(document));
}

export function check(document: object): CheckDefinition {
  return mustDecode(decodeCheck(document));
}

/** As the HTTP route registers. */
export const byApi = { replaceExistingChecks: false, isPersisted: true } as const;
