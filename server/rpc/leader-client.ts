import { type Client, status } from "@grpc/grpc-js";
import type { Clock } from "../../lib/base/clock.ts";
import { callUnary, createGrpcClient, isReady } from "../../lib/client/grpc-client.ts";
import { rpcMethods } from "../../lib/client/rpc-methods.ts";
import { decodeNodeRegistrations, encodeJson } from "../../lib/client/wire-schemas.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { defaultRequestLimits, longestForwardMs } from "../../lib/contract/request-limits.ts";
import type { Authority, ServerCertificate } from "../ca/authority.ts";
import { createOwnCertificate } from "../ca/own-certificate.ts";
import type { LeaderCatalog } from "../following-link.ts";
import type { LeaderLink } from "../leader-link.ts";
import type { LeaseReport, LeaseReportAnswer } from "../leases/lease-report.ts";
import { isStreamable } from "./forward-limits.ts";
import { toWireReport } from "./lease-wire.ts";
import { type ForwardStream, openForwardStream } from "./forward-stream.ts";
import { raftMethods, type ReadIndexRequest } from "./raft-methods.ts";

/** A local network connects in a fraction of this; a machine that is gone must not use up the request's whole wait. */
const connectTimeoutMs = 2_000;
const callTimeoutMs = 15_000;
/** A leader of a release without the stream is asked for it again after this: it may have been upgraded in place. */
const olderLeaderMs = 60_000;

export interface LeaderClient extends LeaderLink, LeaderCatalog {
  /** The index that a read by the leader would show. Rejects with `NO_LEADER`, and in other ways when it is too old to know the question. */
  readIndex(address: string, request: ReadIndexRequest, signal: AbortSignal): Promise<number>;
  /** Tells the leader what became of leases here; undefined when it is too old to know them. */
  reportLeases(
    address: string,
    serverId: string,
    report: LeaseReport,
    signal: AbortSignal,
  ): Promise<LeaseReportAnswer | undefined>;
  close(): void;
}

interface Connection {
  readonly address: string;
  readonly client: Client;
  stream: ForwardStream | undefined;
  opening: Promise<ForwardStream | undefined> | undefined;
  unaryUntilMs: number;
}

/**
 * The connection of a following server to whoever leads, made on the first request and again when leader or certificate
 * have changed. It shows a server's certificate; the leader's one is verified against the cluster's root. What is under way
 * on a connection that was replaced is answered on it.
 */
export function createLeaderClient(options: {
  readonly authority: Authority;
  readonly clock: Clock;
  /** How long a forwarded request may take, which may be a blocking query. */
  readonly forwardTimeoutMs?: number;
}): LeaderClient {
  const { authority, clock, forwardTimeoutMs = longestForwardMs(defaultRequestLimits) } = options;
  const never = new AbortController().signal;
  const ownCertificate = createOwnCertificate(options);
  let shown: ServerCertificate | undefined;
  let current: Connection | undefined;

  const currentCertificate = (): ServerCertificate => {
    const certificate = ownCertificate();
    if (certificate !== shown) drop();
    shown = certificate;
    return certificate;
  };
  const drop = (): void => {
    const dropped = current;
    current = undefined;
    if (dropped?.stream === undefined) dropped?.client.close();
    else dropped.stream.retire();
  };
  const connectionTo = (address: string): Connection => {
    const { chainPem: certPem, privateKeyPem } = currentCertificate();
    if (current?.address === address) return current;
    drop();
    const { rootsPem, trustDomain, datacenter } = authority;
    const client = createGrpcClient(address, {
      rootsPem,
      trustDomain,
      datacenter,
      certificate: { certPem, privateKeyPem },
    });
    current = { address, client, stream: undefined, opening: undefined, unaryUntilMs: Number.NEGATIVE_INFINITY };
    return current;
  };

  const mustBeReady = async (connection: Connection, signal: AbortSignal): Promise<void> => {
    if (await isReady(connection.client, { clock, timeoutMs: connectTimeoutMs, signal })) return;
    if (current === connection) drop();
    throw new AtollError("NO_LEADER", `the leader at ${connection.address} cannot be reached`);
  };
  const readyClient = async (address: string, signal: AbortSignal): Promise<Client> => {
    const connection = connectionTo(address);
    await mustBeReady(connection, signal);
    return connection.client;
  };

  /** One stream for all requests of a connection; undefined while its leader is known not to have it. */
  const streamOf = (connection: Connection): Promise<ForwardStream | undefined> => {
    connection.opening ??= openStream(connection).finally(() => {
      connection.opening = undefined;
    });
    return connection.opening;
  };
  const openStream = async (connection: Connection): Promise<ForwardStream | undefined> => {
    if (clock.monotonicMs() < connection.unaryUntilMs) return undefined;
    await mustBeReady(connection, never);
    const { client, address } = connection;
    const onClosing = (): void => {
      if (current === connection) drop();
    };
    let hasEnded = false;
    const onEnd = (): void => {
      hasEnded = true;
      if (connection.stream === opened) connection.stream = undefined;
      if (current !== connection) client.close();
    };
    let opened: ForwardStream | undefined;
    try {
      opened = await openForwardStream({ client, address, clock, timeoutMs: forwardTimeoutMs, onClosing, onEnd });
    } catch (thrown) {
      // Nothing was sent: who routes the request looks for the leader again.
      if (!(thrown instanceof AtollError) || thrown.code !== "UNAVAILABLE") throw thrown;
      throw new AtollError("NO_LEADER", `the leader at ${address} takes no requests: ${thrown.message}`);
    }
    if (opened !== undefined && hasEnded)
      throw new AtollError("NO_LEADER", `the leader at ${address} ended the stream`);
    if (opened === undefined) connection.unaryUntilMs = clock.monotonicMs() + olderLeaderMs;
    else if (current !== connection) opened.retire();
    connection.stream = opened;
    return opened;
  };

  return {
    async write(address, command, signal, { requestId = "" } = {}) {
      const client = await readyClient(address, signal);
      const request = { json: encodeJson(command), requestId };
      const call = { client, address, method: rpcMethods.Write, isWrite: true, clock, timeoutMs: callTimeoutMs };
      return callUnary({ ...call, request, signal });
    },
    async nodeRegistrations(address, node, signal) {
      const client = await readyClient(address, signal);
      const method = rpcMethods.NodeRegistrations;
      const call = { client, address, method, isWrite: false, clock, timeoutMs: callTimeoutMs };
      const answer = await callUnary({ ...call, request: { node }, signal });
      return decodeNodeRegistrations(answer.json);
    },
    async readIndex(address, request, signal) {
      const client = await readyClient(address, signal);
      const method = raftMethods.ReadIndex;
      const call = { client, address, method, isWrite: false, clock, timeoutMs: callTimeoutMs };
      const { index } = await callUnary({ ...call, request, signal });
      return index;
    },
    async reportLeases(address, serverId, report, signal) {
      const client = await readyClient(address, signal);
      const method = raftMethods.ReportLeases;
      const call = { client, address, method, isWrite: false, clock, timeoutMs: callTimeoutMs };
      try {
        return await callUnary({ ...call, request: toWireReport(serverId, report), signal });
      } catch (thrown) {
        if (isUnimplemented(thrown)) return undefined;
        throw thrown;
      }
    },
    async forward(address, request, signal) {
      const isWrite = request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS";
      const connection = connectionTo(address);
      if (isStreamable(request)) {
        const stream = connection.stream ?? (await streamOf(connection));
        if (stream?.hasRoom() === true) return stream.send(request, { isWrite, signal });
      }
      await mustBeReady(connection, signal);
      const { client } = connection;
      const method = rpcMethods.Forward;
      return callUnary({ client, address, method, request, isWrite, clock, timeoutMs: forwardTimeoutMs, signal });
    },
    close: drop,
  };
}

/** What gRPC itself answers where a server does not know the method. */
function isUnimplemented(thrown: unknown): boolean {
  if (!(thrown instanceof AtollError)) return false;
  const { cause } = thrown;
  return cause instanceof Error && "code" in cause && cause.code === status.UNIMPLEMENTED;
}
