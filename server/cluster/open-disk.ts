/** The disk of a server, whatever it finds: its own, one of an older release, or none yet. */
import type { Runtime } from "../../lib/base/runtime.ts";
import { formatHostPort, type HostPort } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { mustGet } from "../../lib/base/assert.ts";
import type { RangedStore } from "../log/durable-store.ts";
import { openLevelStore } from "../log/level-store.ts";
import { type LevelLog, openLevelLog } from "../raft/shell/level-log.ts";
import { migrateSingleServer } from "../raft/shell/migrate.ts";
import type { ExpectedIdentity } from "../raft/shell/recover-log.ts";
import { seedOfJoining, seedOfNewCluster, writeSeed } from "../raft/shell/seed-store.ts";
import { checkFiles } from "../raft/shell/file-check.ts";
import type { ProtocolRange } from "../rpc/protocol-range.ts";
import { createState } from "../state/state.ts";
import { type EnrolledServer, enrolServer } from "./enrol-server.ts";
import { decideFirstStart } from "./first-start.ts";

export interface OpenDiskOptions {
  readonly directory: string;
  readonly expected: ExpectedIdentity;
  readonly listen: HostPort;
  /** Where others reach this server; the port is 0 while it is not known. */
  readonly advertise: HostPort;
  readonly bootstrapExpect: number;
  readonly join: readonly string[];
  readonly joinToken: string;
  readonly protocols: ProtocolRange;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

export interface OpenedDisk {
  readonly disk: LevelLog;
  /** Present when the state on it has no authority yet, so that a certificate had to be asked for. */
  readonly enrolled?: EnrolledServer;
}

/** Opens the disk; an empty one becomes that of a new cluster, or of a server that joins one. */
export async function openDisk(options: OpenDiskOptions): Promise<OpenedDisk> {
  const { directory, expected, runtime } = options;
  await checkFiles(directory);
  const store = await openLevelStore(directory);
  try {
    if (await takeOver(store, options)) {
      runtime.logger.info("took over the data of a single-server release", { directory });
    }
    const disk = await openLevelLog({ store, directory, expected });
    const opened = disk === undefined ? await makeDisk(store, options) : await findDisk(disk, options);
    const { identity, stored } = opened.disk;
    const { appliedIndex, entries } = stored;
    const { clusterId, nodeId } = identity;
    runtime.logger.info("log opened", { directory, clusterId, nodeId, appliedIndex, entries: entries.length });
    return opened;
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
}

function takeOver(store: RangedStore, options: OpenDiskOptions): Promise<boolean> {
  return migrateSingleServer({
    store,
    directory: options.directory,
    expected: options.expected,
    nodeId: options.runtime.random.uuid(),
    address: formatHostPort(options.advertise),
    replay({ appliedIndex, rows, entries }) {
      const state = createState();
      state.restore(appliedIndex, rows);
      for (const { index, command } of entries) state.apply(index, command);
      return [...state.dump()];
    },
  });
}

async function findDisk(disk: LevelLog, options: OpenDiskOptions): Promise<OpenedDisk> {
  const { nodeId } = disk.identity;
  const { voters } = disk.stored.membership;
  const isAlone = voters.length === 1 && voters[0] === nodeId;
  if (isAlone || disk.hasRows("ca-roots")) return { disk };
  return { disk, enrolled: await enrolServer({ ...options, nodeId, datacenter: options.expected.datacenter }) };
}

async function makeDisk(store: RangedStore, options: OpenDiskOptions): Promise<OpenedDisk> {
  const { directory, expected, advertise, bootstrapExpect, runtime, signal } = options;
  const { datacenter } = expected;
  const nodeId = runtime.random.uuid();
  const address = formatHostPort(advertise);
  const first = await decideFirstStart({ ...options, self: { nodeId, address, bootstrapExpect, datacenter } });
  const open = async (): Promise<LevelLog> =>
    mustGet(await openLevelLog({ store, directory, expected }), "a seed was just written");
  if (first.kind === "seed") {
    const clusterId = expected.clusterId ?? runtime.random.uuid();
    runtime.logger.info("beginning a new cluster", { clusterId, nodeId });
    await writeSeed(store, seedOfNewCluster({ clusterId, nodeId, datacenter }, address));
    return { disk: await open() };
  }
  const enrolled = await enrolServer({
    nodeId,
    datacenter,
    join: [first.address, ...options.join],
    joinToken: options.joinToken,
    protocols: options.protocols,
    runtime,
    signal,
  });
  const { clusterId } = enrolled;
  if (expected.clusterId !== undefined && expected.clusterId !== clusterId) {
    throw new AtollError("WRONG_CLUSTER", `${first.address} is of cluster ${clusterId}, not ${expected.clusterId}`);
  }
  await writeSeed(store, seedOfJoining({ clusterId, nodeId, datacenter }));
  return { disk: await open(), enrolled };
}
