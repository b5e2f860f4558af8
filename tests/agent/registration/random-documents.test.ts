import { expect, test } from "bun:test";
import { createRegistrar } from "../../../agent/registrar.ts";
import { createLocalState } from "../../../agent/local-state.ts";
import type { RegistrationStore } from "../../../agent/persistence.ts";
import { decodeCheck } from "../../../agent/registration/decode-check.ts";
import { decodeService } from "../../../agent/registration/decode-service.ts";
import { checkFileValidator, serviceFileValidator } from "../../../agent/registration/persisted-schemas.ts";
import { createSeededRandom, type Random } from "../../../lib/base/random.ts";
import { silentLogger } from "../../../lib/base/logger.ts";
import { decodeWriteCommand, encodeJson } from "../../../lib/client/wire-schemas.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { formatIssues, schemaIssues } from "../../../lib/contract/schema-issues.ts";
import { testNode } from "../test-registrations.ts";

/** ATOLL_TEST_SEED replays one round; its failure message names the seed. */
const seeds =
  process.env["ATOLL_TEST_SEED"] === undefined
    ? [21_001, 21_002, 21_003, 21_004]
    : [Number(process.env["ATOLL_TEST_SEED"])];
const documentsPerRound = 500;

const names = [
  "web",
  "web",
  "web",
  "web",
  "api",
  "api",
  "api",
  "p",
  "p",
  "a b",
  "",
  "x".repeat(600),
  "we\nb",
  "constructor",
  "ü",
];
const texts = [
  "",
  "10.0.0.1",
  "10.0.0.1",
  "10.0.0.1",
  "zone-a",
  "zone-a",
  "zone-a",
  "0.0.0.0",
  "::1",
  "h:1",
  "h:99999",
  "/run/x",
  "a=b",
  "\0",
  "\ud800",
  "../../etc",
];
const times = ["", "10s", "10s", "10s", "1ns", "-1s", "600h", "soon", 1, 1_000_000_000, null];
const ports = [0, 1, 80, 81, 82, 83, 8080, 21_000, 65_535, 65_536, -1, 1.5, "80", null];
const odd: readonly unknown[] = [null, true, false, 0, "", [], {}, [[]], { a: { a: {} } }, 1e300, "x"];

function createMaker(random: Random) {
  const one = <T>(from: readonly T[]): T | undefined => from[Math.floor(random.float() * from.length)];
  const chance = (part: number): boolean => random.float() < part;
  const list = <T>(make: () => T, max: number): T[] =>
    Array.from({ length: Math.floor(random.float() * (max + 1)) }, make);
  /** Each field is there with its probability; now and then with a value of another kind. */
  const fields = (makers: Record<string, () => unknown>, part: number): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(makers).flatMap(([name, make]) =>
        chance(part) ? [[name, chance(0.02) ? one(odd) : make()]] : [],
      ),
    );
  const text = (): unknown => one(texts);
  const name = (): unknown => one(names);
  const map = (): unknown => Object.fromEntries(list(() => [one(["a", "b", "__proto__", "a b", ""]), one(texts)], 3));
  const flag = (): boolean => chance(0.5);
  const check = (): Record<string, unknown> => ({
    ...fields(
      { CheckID: name, Name: name, Notes: text, ServiceID: name, Status: () => one(["passing", "critical", "up"]) },
      0.3,
    ),
    ...one<() => Record<string, unknown>>([
      () => ({ HTTP: one(["http://127.0.0.1:1/", "ftp://x/", "x"]), Interval: "1s", Header: { A: ["b"] } }),
      () => ({ TCP: one(["127.0.0.1:1", "h"]), Interval: "1s", TCPUseTLS: flag() }),
      () => ({ UDP: "h:1", Interval: one(times) }),
      () => ({ GRPC: one(["h:1", "h:1/s", "h/s"]), Interval: "1s", GRPCUseTLS: flag(), TLSServerName: "n" }),
      () => ({ H2PING: "h:1", Interval: "1s" }),
      () => ({ OSService: "sshd", Interval: "1s" }),
      () => ({ ScriptArgs: list(() => "a", 2), Interval: "1s", DockerContainerID: one(["", "c"]) }),
      () => ({ Script: "a", Shell: one(["", "/bin/sh"]), Interval: "1s" }),
      () => ({ TTL: one(times) }),
      () => ({ AliasService: name(), AliasNode: one(["", "vm1", "vm2"]) }),
      () => ({}),
    ])?.(),
    ...fields({ Interval: () => one(times), Timeout: () => one(times), OutputMaxSize: () => one(ports) }, 0.1),
  });
  const upstream = (): unknown =>
    fields(
      {
        DestinationName: name,
        DestinationType: () => one(["", "service", "prepared_query", "x"]),
        DestinationPeer: text,
        LocalBindPort: () => one(ports),
        LocalBindSocketPath: text,
        Config: () => ({ protocol: one(["http", "x"]) }),
        MeshGateway: () => ({ Mode: one(["local", "none", "x"]) }),
      },
      0.6,
    );
  const proxy = (): unknown =>
    fields(
      {
        DestinationServiceName: name,
        DestinationServiceID: name,
        LocalServiceAddress: text,
        LocalServicePort: () => one(ports),
        LocalServiceSocketPath: text,
        Config: map,
        Upstreams: () => list(upstream, 3),
        Mode: () => one(["", "direct", "transparent", "x"]),
        TransparentProxy: () => fields({ OutboundListenerPort: () => one(ports), DialedDirectly: flag }, 0.7),
        MutualTLSMode: () => one(["", "strict", "permissive", "x"]),
        MeshGateway: () => ({ Mode: one(["", "local", "x"]) }),
        Expose: () => ({
          Checks: flag(),
          Paths: list(() => fields({ Path: text, ListenerPort: () => one(ports) }, 0.7), 2),
        }),
        EnvoyExtensions: () => list(() => fields({ Name: name, Required: flag, Arguments: map }, 0.7), 2),
        AccessLogs: () => fields({ Enabled: flag, Type: text, Path: text }, 0.7),
      },
      0.4,
    );
  const instance = (): Record<string, unknown> => ({
    ...fields(
      {
        Tags: () => list(text, 3),
        Meta: map,
        Address: text,
        Port: () => one(ports),
        SocketPath: text,
        Ports: () => list(() => fields({ Name: name, Port: () => one(ports), Default: flag }, 0.9), 3),
        TaggedAddresses: () => ({ wan: { Address: text(), Port: one(ports) } }),
        Weights: () => fields({ Passing: () => one(ports), Warning: () => one(ports) }, 0.8),
        EnableTagOverride: flag,
        Locality: () => ({ Region: text(), Zone: text() }),
      },
      0.25,
    ),
    ...(chance(0.4) && { Checks: list(check, 2) }),
  });
  const service = (): Record<string, unknown> => ({
    Name: name(),
    ...fields({ ID: name, Unheard: text }, 0.3),
    ...instance(),
    ...(chance(0.4) && {
      Kind: one(["connect-proxy", "mesh-gateway", "api-gateway", "x"]),
      Port: 8443,
      Proxy: proxy(),
    }),
    ...(chance(0.4) && { Connect: { SidecarService: { ...instance(), Proxy: proxy() } } }),
  });
  return { service, check };
}

/** A store that holds every document to the schema by which it is read at the next start. */
function checkingStore(): RegistrationStore {
  const mustLoad = (validator: typeof serviceFileValidator | typeof checkFileValidator, document: object): void => {
    const read: unknown = JSON.parse(JSON.stringify({ version: 1, sequence: 1, ...document }));
    if (!validator.Check(read)) throw new Error(`would not load: ${formatIssues(schemaIssues(validator, read))}`);
  };
  return {
    load: async () => ({ registrations: [], checks: [], states: new Map() }),
    saveServices: async (services) => mustLoad(serviceFileValidator, { services }),
    saveCheck: async (check) => mustLoad(checkFileValidator, { check }),
    removeServices: async () => undefined,
    removeCheck: async () => undefined,
    saveCheckState: () => undefined,
    removeCheckState: () => undefined,
    close: async () => undefined,
  };
}

for (const seed of seeds) {
  test(`what is taken of random documents can be saved and sent to a server as it is (seed ${seed})`, async () => {
    const make = createMaker(createSeededRandom(seed));
    let taken = 0;
    for (let i = 0; i < documentsPerRound; i++) {
      const state = createLocalState(testNode.Node);
      const registrar = createRegistrar({
        state,
        store: checkingStore(),
        logger: silentLogger,
        nodeAddress: testNode.Address,
        sidecarPorts: { min: 21_000, max: 21_001 },
        scripts: { fromFiles: true, fromApi: true },
      });
      const document = i % 4 === 0 ? make.check() : make.service();
      const register = async (): Promise<boolean> => {
        if (i % 4 === 0) {
          const check = decodeCheck(document);
          if (check.ok) await registrar.registerCheck(check.value, { isPersisted: true });
          return check.ok;
        }
        const service = decodeService(document);
        if (service.ok)
          await registrar.registerService(service.value, { replaceExistingChecks: false, isPersisted: true });
        return service.ok;
      };
      const isTaken = await register().catch((error: unknown) => {
        // Refused by the rules between services: a check without its service, say.
        if (error instanceof AtollError) return false;
        throw new Error(`seed ${seed}, document ${JSON.stringify(document)}`, { cause: error });
      });
      if (!isTaken) continue;
      taken++;
      const checks = [...state.checks().values()].map(({ fields }) => fields);
      for (const { fields: service } of state.services().values()) {
        const command = { type: "register", node: testNode, skipNodeUpdate: true, service, checks } as const;
        expect({ seed, command: decodeWriteCommand(encodeJson(command)) }).toEqual({ seed, command });
      }
    }
    // Most are refused, and enough are not for this to be a test.
    expect(taken).toBeGreaterThan(documentsPerRound / 20);
  });
}
