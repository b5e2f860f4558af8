/** The servers of a datacenter behind one door: whoever needs a connection gets one that stands, from whichever answers. */
import { type Client, connectivityState } from "@grpc/grpc-js";
import { mustGet } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { AtollError } from "../contract/error-codes.ts";
import { type ChannelCredentials, createGrpcClient, isReady } from "./grpc-client.ts";

const connectTimeoutMs = 5_000;
/** A cluster has a handful; a list from a server that is out of its mind must not fill the memory. */
const maxLearned = 32;
/** Added by hand, beside those of the configuration. */
const maxConfigured = 32;
/** Calls under way on a connection that was replaced get this long to end. */
const retireAfterMs = 60_000;

export interface ServerConnection {
  readonly client: Client;
  readonly address: string;
}

export interface ServerConnectionsOptions {
  /** `host:port`, tried in turn from the last one that worked. */
  readonly servers: readonly string[];
  readonly credentials: () => ChannelCredentials;
  /** Says why a server could not be connected to, when it knows better than "no connection". */
  readonly explainFailure?: (address: string, signal: AbortSignal) => Promise<AtollError | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ServerConnections {
  /** Rejects with `UNAVAILABLE` when no server can be reached, `WRONG_CLUSTER` when another cluster's answers. */
  connect(signal: AbortSignal): Promise<ServerConnection>;
  /** The caller found that this server cannot serve it: the next one to connect begins with the next address. */
  giveUp(connection: ServerConnection): void;
  /** A server said that the leader is there: the next one to connect begins with it. */
  follow(connection: ServerConnection, leader: string): void;
  /** The servers that there are now; those that were configured stay in the list behind them. */
  learn(addresses: readonly string[]): void;
  /** Dials one more from now on. Rejects with `UNAVAILABLE`, or `WRONG_CLUSTER`, when no server of this cluster answers there. */
  add(address: string, signal: AbortSignal): Promise<void>;
  /** The credentials have changed: new calls go over a new connection, those under way end on the old one. */
  renew(): void;
  status(): { readonly address: string; readonly isConnected: boolean };
  close(): void;
}

export function createServerConnections(options: ServerConnectionsOptions): ServerConnections {
  const stopping = new AbortController();
  const retiring = new Set<() => void>();
  let configured = [...new Set(options.servers)];
  let servers = configured;
  let next = 0;
  /** Grows when the credentials change: a connection that was being made meanwhile is made again. */
  let generation = 0;
  let current: ServerConnection | undefined;
  let connecting: Promise<ServerConnection> | undefined;

  const addressAt = (position: number): string =>
    mustGet(servers[position % servers.length], "there is at least one server address");

  const isUsable = (connection: ServerConnection): boolean =>
    connection.client.getChannel().getConnectivityState(false) === connectivityState.READY;

  const connectToAny = async (): Promise<ServerConnection> => {
    const failures: AtollError[] = [];
    const begun = generation;
    const count = servers.length;
    for (let tries = 0; tries < count; tries++) {
      const address = addressAt(next);
      const client = createGrpcClient(address, options.credentials());
      const limits = { clock: options.clock, timeoutMs: connectTimeoutMs, signal: stopping.signal };
      if ((await isReady(client, limits)) && begun === generation && !stopping.signal.aborted) {
        options.logger.info("connected to a server", { address });
        current = { client, address };
        return current;
      }
      client.close();
      if (begun !== generation) return connectToAny();
      if (stopping.signal.aborted) throw new AtollError("UNAVAILABLE", "the link to the servers is closed");
      failures.push(await explain(address));
      next++;
    }
    throw summary(failures);
  };

  const explain = async (address: string): Promise<AtollError> => {
    const known = await options.explainFailure?.(address, stopping.signal);
    return known ?? new AtollError("UNAVAILABLE", `no connection to server ${address}`);
  };

  const drop = (connection: ServerConnection): void => {
    if (connection === current) current = undefined;
    connection.client.close();
  };

  return {
    async connect(signal) {
      if (stopping.signal.aborted) throw new AtollError("UNAVAILABLE", "the link to the servers is closed");
      if (current !== undefined && isUsable(current)) return current;
      if (current !== undefined) drop(current);
      connecting ??= connectToAny().finally(() => {
        connecting = undefined;
      });
      return abortable(connecting, signal);
    },
    giveUp(connection) {
      if (connection !== current || servers.length === 1) return;
      next++;
      drop(connection);
    },
    follow(connection, leader) {
      if (connection !== current || leader === connection.address) return;
      if (!servers.includes(leader)) servers = [...servers, leader];
      next = servers.indexOf(leader);
      drop(connection);
    },
    learn(addresses) {
      const known = addressAt(next);
      const learned = [...new Set([...addresses.slice(0, maxLearned), ...configured])];
      if (learned.join() === servers.join()) return;
      servers = learned;
      // One that is not a server any more is left when its connection ends, not before.
      next = Math.max(0, servers.indexOf(known));
      options.logger.info("the servers are", { servers: servers.join(", ") });
    },
    async add(address, signal) {
      const client = createGrpcClient(address, options.credentials());
      try {
        const isServer = await isReady(client, { clock: options.clock, timeoutMs: connectTimeoutMs, signal });
        if (!isServer) throw await explain(address);
      } finally {
        client.close();
      }
      // The oldest of those that were added goes first: whoever adds them without end must not fill the memory.
      configured = [...new Set([...configured, address])];
      if (configured.length > maxConfigured + options.servers.length) configured.splice(options.servers.length, 1);
      servers = [...new Set([...servers, address])];
    },
    renew() {
      generation++;
      const old = current;
      if (old === undefined) return;
      current = undefined;
      const retire = (): void => {
        timer.cancel();
        retiring.delete(retire);
        old.client.close();
      };
      const timer = options.clock.after(retireAfterMs, retire);
      retiring.add(retire);
    },
    status: () => ({
      address: current?.address ?? addressAt(next),
      isConnected: current !== undefined && isUsable(current),
    }),
    close() {
      stopping.abort();
      if (current !== undefined) drop(current);
      for (const retire of [...retiring]) retire();
    },
  };
}

/** A foreign cluster is the worse news: trying again changes nothing. */
function summary(failures: readonly AtollError[]): AtollError {
  const foreign = failures.find((failure) => failure.code === "WRONG_CLUSTER");
  if (foreign !== undefined) return foreign;
  const reasons = failures.map((failure) => failure.message).join("; ");
  return new AtollError("UNAVAILABLE", `no server can be reached: ${reasons}`, { cause: failures[0] });
}

/** Waits for something shared only as long as the caller wants to. */
function abortable<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new AtollError("UNAVAILABLE", "the call was cancelled before it was sent"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
