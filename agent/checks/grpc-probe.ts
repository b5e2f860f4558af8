import { Client, credentials, type ServiceError, type VerifyOptions } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { isIP } from "node:net";
import { checkServerIdentity, getCACertificates } from "node:tls";
import { errorMessage } from "../../lib/base/errors.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import type { CheckProbe } from "../service-definition.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";

export type GrpcProbe = Extract<CheckProbe, { type: "grpc" }>;

/** An address is no name to ask for (RFC 6066, 3), and the library asks for one always. The certificate is held to the address. */
const nameOfAddresses = "health-check.invalid";

/** The two messages of grpc.health.v1 by their only fields. */
const method = "/grpc.health.v1.Health/Check";
const serving = 1;

/** Asks a server for its health (grpc.health.v1), or for that of one of its services. Passing when it says SERVING. */
export function probeGrpc(probe: Omit<GrpcProbe, "type" | "intervalMs">, limits: ProbeLimits): Promise<ProbeResult> {
  const target = `${probe.address}${probe.service === "" ? "" : `/${probe.service}`}`;
  return new Promise((resolve) => {
    const client = createClient(probe);
    const finish = (result: ProbeResult): void => {
      limits.signal.removeEventListener("abort", onAbort);
      client.close();
      resolve({ ...result, output: capOutput(result.output, limits.outputMaxBytes) });
    };
    const onAnswer = (error: ServiceError | null, status: number | undefined): void => {
      if (error !== null) finish({ status: "critical", output: `gRPC check ${target}: ${lasting(error)}` });
      else if (status === serving) finish({ status: "passing", output: `gRPC check ${target}: success` });
      else finish({ status: "critical", output: "gRPC application didn't report service healthy" });
    };
    const call = client.makeUnaryRequest(method, encodeRequest, decodeStatus, probe.service, onAnswer);
    const onAbort = (): void => {
      call.cancel();
      finish({ status: "critical", output: `gRPC check ${target}: no answer in time` });
    };
    limits.signal.addEventListener("abort", onAbort, { once: true });
    if (limits.signal.aborted) onAbort();
  });
}

function createClient({ address, tls }: Pick<GrpcProbe, "address" | "tls">): Client {
  // A client of its own for each attempt, so that a server that came back is not waited for.
  const options = { "grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0 } as const;
  if (tls === undefined) return new Client(address, credentials.createInsecure(), options);
  const host = parseHostPort(address)?.host ?? "";
  const wanted = tls.serverName || host;
  const verify: VerifyOptions = {
    rejectUnauthorized: !tls.skipVerify,
    checkServerIdentity: (_asked, certificate) => checkServerIdentity(wanted, certificate),
  };
  const roots = tls.skipVerify ? null : trustedRoots();
  return new Client(address, credentials.createSsl(roots, null, null, verify), {
    ...options,
    "grpc.ssl_target_name_override": isIP(wanted) === 0 ? wanted : nameOfAddresses,
  });
}

/** The library adds the time to some messages: output that is new every time would be a change of the catalog each time. */
function lasting(error: ServiceError): string {
  return errorMessage(error)
    .replace(/ \(\d{4}-\d\d-\d\dT[0-9:.]+Z\)/g, "")
    .replace(/\.? Resolution note: *$/, "");
}

let roots: Buffer | undefined;

/** Those of other checks, NODE_EXTRA_CA_CERTS included: left to itself the library knows the built-in ones only. */
function trustedRoots(): Buffer {
  roots ??= Buffer.from(getCACertificates("default").join("\n"));
  return roots;
}

function encodeRequest(service: string): Buffer {
  const writer = protobuf.Writer.create();
  return Buffer.from((service === "" ? writer : writer.uint32(0x0a).string(service)).finish());
}

/** Field 1 is the status; without it, it is 0, which means unknown. */
function decodeStatus(bytes: Buffer): number {
  const reader = protobuf.Reader.create(bytes);
  let status = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x08) status = reader.int32();
    else reader.skipType(tag & 7);
  }
  return status;
}
