import { type ClientKind, clients } from "./clients.ts";
import type { RollingMesh, RollingProxy } from "./rolling-mesh.ts";
import { newTally, type Tally } from "./tally.ts";

/** What is changed under load. Each change ends where it began, so that it can be made again and again. */
export type ChangeKind = keyof typeof changes;

export const changes = {
  none: async () => undefined,
  endpoints: rollEndpoints,
  listeners: rollListeners,
  certificates: rollCertificates,
  executable: rollExecutable,
} as const;

/** One endpoint goes and comes back, then the other. */
async function rollEndpoints({ caller, first, second }: RollingMesh): Promise<void> {
  for (const only of [[second], [first], [first, second]]) {
    await caller.change({ outbound: callTo(caller, only) });
  }
}

/** The called proxies move to other addresses, one by one: the new one is there before the old one goes. */
async function rollListeners(mesh: RollingMesh): Promise<void> {
  const { caller, first, second } = mesh;
  for (const callee of [first, second]) {
    const before = callee.shape.inbound;
    const moved = await Promise.all(before.map(async (one) => ({ ...one, listen: await mesh.freePort() })));
    await callee.change({ inbound: [...moved, ...before] });
    await callee.change({ inbound: [...moved, ...before] });
    await caller.change({ outbound: callTo(caller, [first, second]) });
    await callee.change({ inbound: moved });
  }
}

async function rollCertificates({ caller, first, second }: RollingMesh): Promise<void> {
  for (const proxy of [first, caller, second]) await proxy.renewCertificate();
}

async function rollExecutable({ caller, first, second }: RollingMesh): Promise<void> {
  for (const proxy of [first, caller, second]) await proxy.replace();
}

/** The caller's listeners with these proxies as endpoints. */
function callTo(caller: RollingProxy, callees: readonly RollingProxy[]): RollingProxy["shape"]["outbound"] {
  return caller.shape.outbound.map((one) => ({
    ...one,
    endpoints: callees.flatMap(({ shape }) => {
      const inbound = shape.inbound.find(({ protocol }) => protocol === one.protocol);
      return inbound === undefined ? [] : [inbound.listen];
    }),
  }));
}

export interface RollingResult {
  readonly change: ChangeKind;
  readonly client: ClientKind;
  readonly tally: Tally;
}

/** Lets every kind of client send while each change is made `rounds` times. */
export async function runRolling(options: {
  readonly mesh: RollingMesh;
  readonly kinds: readonly ChangeKind[];
  readonly rounds: number;
  /** Clients of each kind. */
  readonly clientsPerKind: number;
}): Promise<RollingResult[]> {
  const { mesh, rounds, clientsPerKind } = options;
  let isStopped = false;
  const current = new Map<ClientKind, Tally>();
  const [http, tcp] = mesh.caller.shape.outbound;
  const ports = { http: http?.listen ?? 0, tcp: tcp?.listen ?? 0 };
  const kinds = Object.keys(clients) as ClientKind[];
  for (const kind of kinds) current.set(kind, newTally());
  const running = kinds.flatMap((kind) =>
    Array.from({ length: clientsPerKind }, () =>
      clients[kind]({
        ports: () => ports,
        tally: () => current.get(kind) ?? newTally(),
        isStopped: () => isStopped,
      }),
    ),
  );
  const results: RollingResult[] = [];
  try {
    for (const change of options.kinds) {
      for (const kind of kinds) current.set(kind, newTally());
      for (let round = 0; round < rounds; round++) {
        await changes[change](mesh);
        await untilBusy(kinds.map((kind) => current.get(kind) ?? newTally()));
      }
      for (const kind of kinds) results.push({ change, client: kind, tally: current.get(kind) ?? newTally() });
    }
  } finally {
    isStopped = true;
    await Promise.all(running);
  }
  return results;
}

/** Every client has sent on after the change: what it broke has shown itself. */
async function untilBusy(tallies: readonly Tally[]): Promise<void> {
  const before = tallies.map(({ sent }) => sent);
  const endMs = performance.now() + 20_000;
  while (tallies.some(({ sent }, i) => sent < (before[i] ?? 0) + 50)) {
    if (performance.now() > endMs) throw new Error("the clients have come to a stop");
    await Bun.sleep(20);
  }
}
