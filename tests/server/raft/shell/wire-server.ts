import { callUnary, createGrpcClient } from "../../../../lib/client/grpc-client.ts";
import { AtollError } from "../../../../lib/contract/error-codes.ts";
import { formatSpiffeId } from "../../../../lib/contract/spiffe.ts";
import { createCertificateRequest } from "../../../../lib/x509/certificate-request.ts";
import { generateKey } from "../../../../lib/x509/keys.ts";
import type { Authority } from "../../../../server/ca/authority.ts";
import type { SnapshotMeta } from "../../../../server/raft/core/types.ts";
import type { IncomingSnapshot, MessageGroup, PeerWire } from "../../../../server/raft/shell/peer-wire.ts";
import { ownProtocols, type ProtocolRange } from "../../../../server/rpc/protocol-range.ts";
import { createRaftDialer } from "../../../../server/rpc/raft-dialer.ts";
import { raftMethods } from "../../../../server/rpc/raft-methods.ts";
import { startRpcServer } from "../../../../server/rpc/rpc-server.ts";
import { createTestRuntime } from "../../../fakes/test-runtime.ts";
import { createTestAuthority } from "../../ca/test-authority.ts";

export interface ReceivedSnapshot extends Pick<IncomingSnapshot, "from" | "term"> {
  readonly meta: SnapshotMeta;
  readonly bytes: number;
  readonly totals: { readonly rowCount: number; readonly rowDigest: number };
}

/** A real RPC listener that keeps what peers send. */
export interface WireServer extends AsyncDisposable {
  readonly address: string;
  readonly groups: MessageGroup[];
  readonly snapshots: ReceivedSnapshot[];
  refuseSnapshots(message: string): void;
  /** The sending end of a server, or of an agent that tries. */
  wireOf(nodeId: string, protocols?: ProtocolRange): PeerWire;
  agentWire(node: string): PeerWire;
  /** What a server, or an agent that tries, is told when it asks for the index to read. */
  askIndex(as: "server" | "agent"): Promise<number>;
}

export async function startWireServer(options: {
  readonly nodeId: string;
  readonly protocols?: ProtocolRange;
  /** What a receiver does with each chunk of a snapshot before it takes the next. */
  readonly onChunk?: () => Promise<void>;
}): Promise<WireServer> {
  const runtime = createTestRuntime();
  const authority = createTestAuthority({ runtime });
  const groups: MessageGroup[] = [];
  const snapshots: ReceivedSnapshot[] = [];
  let refusal: string | undefined;
  const rpc = await startRpcServer({
    listen: { host: "127.0.0.1", port: 0 },
    authority,
    link: { write: unused, nodeRegistrations: unused, forward: unused, subscribe: () => ({ close: () => undefined }) },
    raft: {
      ...(options.protocols === undefined ? {} : { protocols: options.protocols }),
      inbox: {
        clusterId: "the-cluster",
        nodeId: options.nodeId,
        onMessages: (group) => groups.push(group),
        async onSnapshot(snapshot) {
          let bytes = 0;
          for await (const chunk of snapshot.chunks) {
            bytes += chunk.byteLength;
            await options.onChunk?.();
          }
          if (refusal !== undefined) throw new AtollError("UNAVAILABLE", refusal);
          const { from, term, meta } = snapshot;
          snapshots.push({ from, term, meta, bytes, totals: snapshot.totals() });
        },
      },
      readIndex: async () => 17,
      greet: () => ({ clusterId: "the-cluster", nodeId: options.nodeId, datacenter: "dc1", leaderAddress: "" }),
      join: unused,
    },
    runtime,
  });
  const wire = (
    certificate: { readonly certPem: string; readonly privateKeyPem: string },
    protocols = ownProtocols,
  ): PeerWire => {
    const { rootPem: rootsPem, trustDomain, datacenter } = authority;
    return createRaftDialer({
      credentials: () => ({ rootsPem, trustDomain, datacenter, certificate }),
      protocols,
      clock: runtime.clock,
    });
  };
  return {
    address: `127.0.0.1:${rpc.address.port}`,
    groups,
    snapshots,
    refuseSnapshots(message) {
      refusal = message;
    },
    wireOf: (nodeId, protocols) => wire(serverCertificate(authority, nodeId), protocols),
    agentWire: (node) => wire(agentCertificate(authority, node)),
    async askIndex(as) {
      const { rootPem: rootsPem, trustDomain, datacenter } = authority;
      const certificate = as === "server" ? serverCertificate(authority, "n1") : agentCertificate(authority, "host-1");
      const address = `127.0.0.1:${rpc.address.port}`;
      const client = createGrpcClient(address, { rootsPem, trustDomain, datacenter, certificate });
      const call = { client, address, method: raftMethods.ReadIndex, isWrite: false, clock: runtime.clock };
      const { signal } = new AbortController();
      try {
        return (await callUnary({ ...call, request: { isConsistent: false }, timeoutMs: 5_000, signal })).index;
      } finally {
        client.close();
      }
    },
    [Symbol.asyncDispose]: () => rpc.stop(1_000),
  };
}

async function unused(): Promise<never> {
  throw new Error("not a part of this test");
}

function serverCertificate(authority: Authority, nodeId: string) {
  const key = generateKey();
  const csrPem = createCertificateRequest({
    commonName: nodeId,
    names: [],
    privateKey: key.privateKey,
    publicKey: key.publicKey,
  });
  return { certPem: authority.signServer(csrPem, nodeId), privateKeyPem: key.privateKeyPem };
}

function agentCertificate(authority: Authority, node: string) {
  const key = generateKey();
  const uri = formatSpiffeId({ kind: "agent", trustDomain: authority.trustDomain, datacenter: "dc1", node });
  const csrPem = createCertificateRequest({
    commonName: node,
    names: [{ type: "uri", value: uri }],
    privateKey: key.privateKey,
    publicKey: key.publicKey,
  });
  return {
    certPem: authority.sign(csrPem, { services: false, agentNode: node }).certPem,
    privateKeyPem: key.privateKeyPem,
  };
}
