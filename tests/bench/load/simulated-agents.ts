/**
 * Many agents in one process, each with what a real one has towards the servers and nothing else: its own certificate and
 * connection, its lease, and anti-entropy over one service with a check. Prints a JSON line when all of them hold a lease, and
 * one at the end; runs until its input ends.
 */
import { Registry } from "prom-client";
import { createAntiEntropy } from "../../../agent/anti-entropy.ts";
import { enrollNode } from "../../../agent/identity/enroll.ts";
import { createLocalState } from "../../../agent/local-state.ts";
import { mustDecode } from "../../../agent/registration/decode-result.ts";
import { decodeService } from "../../../agent/registration/decode-service.ts";
import { planService } from "../../../agent/registration/plan.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { createLogger } from "../../../lib/base/logger.ts";
import { systemRandom } from "../../../lib/base/random.ts";
import { connectServer } from "../../../lib/client/grpc-link.ts";
import { createOwnCoordinate } from "../../../lib/client/own-coordinate.ts";
import { defaultCoordinateSettings } from "../../../lib/contract/coordinate-settings.ts";
import { leaseTerms } from "../../../lib/contract/members.ts";
import { defaultSidecarPorts } from "../../../agent/registration/sidecar-ports.ts";

const [first = "0", count = "1", ...servers] = process.argv.slice(2);
const from = Number(first);
const size = Number(count);
/** Handshakes under way at a time. */
const parallel = 8;
const never = new AbortController().signal;
const logger = createLogger({
  component: "simulated",
  level: "error",
  format: "text",
  nowMs: () => Date.now(),
  write: (line) => process.stderr.write(`${line}\n`),
});
const runtime = { clock: systemClock, random: systemRandom, logger };
const stops: (() => Promise<void>)[] = [];
let held = 0;
let refused = 0;
let outOfDate = 0;
let downs = 0;

async function startAgent(n: number): Promise<void> {
  const name = `agent-${n}`;
  const enrolment = await enrollNode({
    // Spread over the servers, as an agent takes one that answers.
    servers: [...servers.slice(n % servers.length), ...servers.slice(0, n % servers.length)],
    node: name,
    datacenter: "dc1",
    joinToken: "",
    pinnedRoots: undefined,
    wrongClusterAdvice: "",
    timeoutMs: 60_000,
    runtime,
    signal: never,
  });
  const { rootsPem, trustDomain, datacenter, certificate } = enrolment;
  const credentials = { rootsPem, trustDomain, datacenter, certificate };
  const link = await connectServer({
    servers: [...servers.slice(n % servers.length), ...servers.slice(0, n % servers.length)],
    credentials: { current: () => credentials, onChange: () => ({ close: () => undefined }) },
    runtime,
    signal: never,
  });
  const id = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
  const request = { Node: name, ID: id, Address: "10.0.0.1", Build: "bench", ...leaseTerms("default") };
  const lease = link.holdLease(request, {
    ...(process.env["ATOLL_BENCH_COORDINATES"] !== "0" && {
      coordinate: createOwnCoordinate({ settings: defaultCoordinateSettings, isServer: false, runtime }),
    }),
    onAnswer(answer) {
      if (answer.refusal !== "") refused++;
      else if (answer.isOutOfDate) outOfDate++;
      else if (answer.isGiven) held++;
    },
    onDown: () => void downs++,
  });
  const state = createLocalState(name);
  const definition = mustDecode(
    decodeService({ Name: `service-${n % 100}`, ID: "app", Port: 80, Check: { TTL: "24h" } }),
  );
  const context = {
    state,
    nodeAddress: "10.0.0.1",
    sidecarPorts: defaultSidecarPorts,
    scripts: { fromFiles: false, fromApi: false },
  };
  state.apply(planService(definition, { replaceExistingChecks: true, isPersisted: false }, context));
  const node = { ID: id, Node: name, Address: "10.0.0.1", Datacenter: datacenter, TaggedAddresses: {}, Meta: {} };
  const sync = createAntiEntropy({
    runtime: { ...runtime, metrics: new Registry() },
    link,
    state,
    node,
    checkUpdateIntervalMs: 300_000,
    foreignServiceIds: new Set(),
  });
  sync.start();
  await sync.settled();
  stops.push(async () => {
    lease.close();
    await sync.stop();
    await link.close();
  });
}

const queue = Array.from({ length: size }, (_, i) => from + i);
const beganMs = performance.now();
let failures = 0;
await Promise.all(
  Array.from({ length: parallel }, async () => {
    for (let n = queue.shift(); n !== undefined; n = queue.shift()) {
      await startAgent(n).catch((thrown: unknown) => {
        failures++;
        console.error(String(thrown));
      });
    }
  }),
);
console.log(JSON.stringify({ started: stops.length, failures, seconds: (performance.now() - beganMs) / 1_000 }));
for await (const _ of process.stdin) {
  // Until the bench closes it.
}
console.log(JSON.stringify({ held, refused, outOfDate, downs, residentMb: process.memoryUsage().rss / 1e6 }));
process.exit();
