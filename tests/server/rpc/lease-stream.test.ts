/** Leases over real sockets: what an agent says, what it is answered, and where it goes when nobody answers. */
import { connect, createServer, type Socket } from "node:net";
import { beforeEach, expect, test } from "bun:test";
import { connectServer } from "../../../lib/client/grpc-link.ts";
import type { LeaseListener as AgentListener, LeaseAnswer, LeaseRequest } from "../../../lib/client/server-link.ts";
import type { Coordinate } from "../../../lib/contract/coordinates.ts";
import type { MemberFields } from "../../../lib/contract/members.ts";
import { defaultCoordinateSettings } from "../../../lib/contract/coordinate-settings.ts";
import { roundTripSeconds } from "../../../lib/contract/coordinates.ts";
import { originCoordinate } from "../../../lib/contract/vivaldi.ts";
import { createOwnCoordinate } from "../../../lib/client/own-coordinate.ts";
import type { LeaseListener } from "../../../server/leases/lease-holder.ts";
import type { LeasePort } from "../../../server/leases/leases.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { enrollTestNode, never, startTestAgent, startTestCluster, type TestCluster } from "./test-cluster.ts";

const request: LeaseRequest = {
  // The certificate says host-1, and that is what counts.
  Node: "somebody-else",
  ID: "00000000-0000-4000-8000-000000000001",
  Address: "10.0.0.1",
  Build: "1.2.3",
  Class: "ephemeral",
  TtlMs: 900,
  ReapAfterMs: 3_600_000,
};

const deaf: AgentListener = { onAnswer: () => undefined, onDown: () => undefined };
let downs: string[] = [];
beforeEach(() => {
  downs = [];
});

interface Leases extends LeasePort {
  readonly opened: MemberFields[];
  readonly listeners: LeaseListener[];
  readonly placed: Coordinate[];
  renewals: number;
  closed: number;
  refusal: string;
  outOfDate: boolean;
  readonly turns: number[];
  /** Address of the server that agents measure their way to. */
  server: string;
}

function createLeases(): Leases {
  const leases: Leases = {
    opened: [],
    listeners: [],
    placed: [],
    renewals: 0,
    closed: 0,
    refusal: "",
    outOfDate: false,
    turns: [],
    server: "",
    open(member, listener) {
      leases.opened.push(member);
      leases.listeners.push(listener);
      return {
        renew() {
          leases.renewals++;
          return { isGiven: leases.refusal === "", refusal: leases.refusal };
        },
        place: (coordinate) => void leases.placed.push(coordinate),
        close() {
          leases.closed++;
        },
      };
    },
    isOutOfDate: () => leases.outOfDate,
    reference: (turn) => {
      leases.turns.push(turn);
      return leases.server === "" ? undefined : { address: leases.server, coordinate: originCoordinate, members: 9 };
    },
  };
  return leases;
}

/** Carries bytes to the port until it is cut; then nothing arrives, and nobody is told. */
async function startCable(port: number): Promise<{ readonly address: string; cut(): void; close(): void }> {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    near.pipe(far).pipe(near);
    sockets.push(near, far);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  return {
    address: `127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`,
    cut() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test("an agent asks once, renews a third of its term apart, and its name is its certificate's", async () => {
  const leases = createLeases();
  await using cluster = await startTestCluster({ leases });
  await using agent = await startTestAgent(cluster);
  const answers: LeaseAnswer[] = [];
  const lease = agent.link.holdLease(request, {
    onAnswer: (answer) => answers.push(answer),
    onDown: (reason) => downs.push(reason),
  });
  await eventually("renewals", () => leases.renewals >= 3);
  expect(leases.opened).toEqual([{ ...request, Node: "host-1", Port: 0, Role: "node" }]);
  expect(answers).toEqual([
    { isGiven: false, refusal: "", isOutOfDate: false },
    { isGiven: true, refusal: "", isOutOfDate: false },
  ]);
  lease.close();
  await eventually("the end of the stream", () => leases.closed === 1);
});

test("a refusal reaches the agent with its reason, and so does the word that its node is gone", async () => {
  const leases = createLeases();
  await using cluster = await startTestCluster({ leases });
  await using agent = await startTestAgent(cluster);
  const answers: LeaseAnswer[] = [];
  const lease = agent.link.holdLease(request, {
    onAnswer: (answer) => answers.push(answer),
    onDown: (reason) => downs.push(reason),
  });
  await eventually("the stream", () => answers.length > 0);
  leases.listeners.at(-1)?.onDecision({ isGiven: false, refusal: "the name is taken" });
  await eventually("the refusal", () => answers.some(({ refusal }) => refusal === "the name is taken"));
  leases.outOfDate = true;
  await eventually("the news", () => answers.some(({ isOutOfDate }) => isOutOfDate));
  lease.close();
});

test("a stream that the server ends is opened again", async () => {
  const leases = createLeases();
  await using cluster = await startTestCluster({ leases });
  await using agent = await startTestAgent(cluster);
  const lease = agent.link.holdLease(request, deaf);
  await eventually("the stream", () => leases.listeners[0]);
  leases.listeners[0]?.onEnd("for the test");
  await eventually("another one", () => leases.opened.length === 2);
  expect(leases.closed).toBe(1);
  lease.close();
});

test("an agent leaves a server that has fallen silent for another one", async () => {
  const first = createLeases();
  await using silent = await startTestCluster({ leases: first });
  const second = createLeases();
  await using other = await startTestCluster({ leases: second, authority: silent.authority });
  const runtime = createTestRuntime();
  await using agent = await startTestAgent(silent);
  const credentials = await enrollTestNode(silent, { dataDir: agent.dataDir, runtime });
  const cable = await startCable(silent.rpc.address.port);
  const link = await connectServer({ servers: [cable.address, other.address], credentials, runtime, signal: never });
  const lease = link.holdLease({ ...request, TtlMs: 900 }, deaf);
  await eventually("the first server to be asked", () => first.renewals > 0);
  cable.cut();
  await eventually("the other server to be asked", () => second.opened.length > 0);
  lease.close();
  await link.close();
  cable.close();
});

test("a server of an older release gives no lease, and is not asked again at once", async () => {
  await using older = await startTestCluster();
  await using agent = await startTestAgent(older);
  const answers: LeaseAnswer[] = [];
  const lease = agent.link.holdLease(request, {
    onAnswer: (answer) => answers.push(answer),
    onDown: (reason) => downs.push(reason),
  });
  await eventually("the refusal", () =>
    agent.runtime.lines.some((line) => line.includes("of a release without leases")),
  );
  expect(agent.link.status().isConnected).toBe(true);
  expect(answers).toEqual([]);
  lease.close();
});

test("an agent that is not heard of for two terms loses its stream", async () => {
  const clock = createVirtualClock(Date.now());
  const leases = createLeases();
  await using cluster = await startTestCluster({ leases, runtime: createTestRuntime({ clock }) });
  await using agent = await startTestAgent(cluster);
  // An hour: it has nothing to say meanwhile.
  const lease = agent.link.holdLease({ ...request, TtlMs: 3_600_000 }, deaf);
  await eventually("the stream", () => leases.opened.length === 1);
  await clock.advance(7_300_000);
  await eventually("its end", () => leases.closed === 1);
  lease.close();
});

test("an address is added to those that are dialled when a server of the cluster answers there", async () => {
  await using cluster: TestCluster = await startTestCluster();
  await using agent = await startTestAgent(cluster);
  await agent.link.addServer(cluster.address, never);
  await expect(agent.link.addServer("127.0.0.1:1", never)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("an agent measures its way to the servers that the answers to its renewals name, and says where it is", async () => {
  const leases = createLeases();
  await using cluster = await startTestCluster({ leases });
  await using agent = await startTestAgent(cluster);
  const { runtime } = agent;
  const coordinate = createOwnCoordinate({ settings: defaultCoordinateSettings, isServer: false, runtime });
  const lease = agent.link.holdLease(request, { ...deaf, coordinate });
  await eventually("it to ask for servers", () => leases.turns.length === 2);
  expect(leases.turns[1]).toBe((leases.turns[0] ?? 0) + 1);
  expect([leases.placed, coordinate.coordinate()]).toEqual([[], originCoordinate]);
  leases.server = cluster.address;
  await eventually("the agent's place", () => leases.placed.length > 0);
  const seconds = roundTripSeconds(leases.placed[0] ?? originCoordinate, originCoordinate);
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(1);
  lease.close();
  coordinate.close();
});
