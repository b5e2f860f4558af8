import type { Client } from "@grpc/grpc-js";
import type { Clock } from "../../lib/base/clock.ts";
import { callUnary, createGrpcClient, isReady } from "../../lib/client/grpc-client.ts";
import { rpcMethods } from "../../lib/client/rpc-methods.ts";
import { decodeNodeRegistrations, encodeJson } from "../../lib/client/wire-schemas.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Authority, ServerCertificate } from "../ca/authority.ts";
import type { LeaderCatalog } from "../following-link.ts";
import type { LeaderLink } from "../leader-link.ts";
import { raftMethods, type ReadIndexRequest } from "./raft-methods.ts";

/** A local network connects in a fraction of this; a machine that is gone must not use up the request's whole wait. */
const connectTimeoutMs = 2_000;
const callTimeoutMs = 15_000;
/** A forwarded blocking query may wait for 10 minutes plus a sixteenth. */
const forwardTimeoutMs = 660_000;

export interface LeaderClient extends LeaderLink, LeaderCatalog {
  /** The index that a read by the leader would show. Rejects with `NO_LEADER`, and in other ways when it is too old to know the question. */
  readIndex(address: string, request: ReadIndexRequest, signal: AbortSignal): Promise<number>;
  close(): void;
}

/**
 * The connection of a following server to whoever leads, made on the first request and again when leader or certificate
 * have changed. It shows a server's certificate; the leader's one is verified against the cluster's root.
 */
export function createLeaderClient(options: { readonly authority: Authority; readonly clock: Clock }): LeaderClient {
  const { authority, clock } = options;
  let certificate: ServerCertificate | undefined;
  let current: { readonly address: string; readonly client: Client } | undefined;

  const currentCertificate = (): ServerCertificate => {
    if (certificate !== undefined && clock.nowMs() < halfLifeMs(certificate)) return certificate;
    certificate = authority.issueServerCertificate();
    drop();
    return certificate;
  };
  const drop = (): void => {
    current?.client.close();
    current = undefined;
  };
  const connectionTo = (address: string) => {
    const { chainPem: certPem, privateKeyPem } = currentCertificate();
    if (current?.address === address) return current;
    drop();
    const { rootPem: rootsPem, trustDomain, datacenter } = authority;
    const client = createGrpcClient(address, {
      rootsPem,
      trustDomain,
      datacenter,
      certificate: { certPem, privateKeyPem },
    });
    current = { address, client };
    return current;
  };

  const readyClient = async (address: string, signal: AbortSignal): Promise<Client> => {
    const connection = connectionTo(address);
    if (await isReady(connection.client, { clock, timeoutMs: connectTimeoutMs, signal })) return connection.client;
    if (current === connection) drop();
    throw new AtollError("NO_LEADER", `the leader at ${address} cannot be reached`);
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
    async forward(address, request, signal) {
      const client = await readyClient(address, signal);
      const isWrite = request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS";
      const method = rpcMethods.Forward;
      return callUnary({ client, address, method, request, isWrite, clock, timeoutMs: forwardTimeoutMs, signal });
    },
    close: drop,
  };
}

function halfLifeMs(certificate: ServerCertificate): number {
  return (Date.parse(certificate.notBefore) + Date.parse(certificate.notAfter)) / 2;
}
