import { type FactOperator, type FormatPart, readAccessLogFormat } from "../../../lib/contract/access-log-format.ts";
import type { AccessLogConfig } from "../../../lib/contract/proxy-telemetry.ts";
import { maskedUrl } from "../../../lib/contract/secret-fields.ts";
import type { Observation } from "../../exchange/observation.ts";
import type { FieldBlock } from "../../message/field-block.ts";
import { grpcStatus, responseDetails } from "../outcome.ts";
import { longResponseFlags, responseFlags } from "../response-flags.ts";
import { jsonText, plainText } from "./plain-text.ts";
import { formatStartTime } from "./start-time.ts";

/** A request that is over, and what its listener adds. */
export interface LoggedRequest {
  readonly observation: Observation;
  /** When it began, by the clock of the wall. */
  readonly startedWallMs: number;
  /** The listener's address. */
  readonly listen: string;
}

/** Writes one request as one line, its end included. */
export type LineFormat = (request: LoggedRequest) => string;
type Value = string | number | undefined;
type Reader = (request: LoggedRequest) => Value;

/** The formats have been checked when the document was read. */
export function compileLineFormat({ format, jsonFormat, textFormat }: AccessLogConfig): LineFormat {
  if (format === "json") return compileJson(Object.entries(jsonFormat));
  // Formats of Envoy end with the end of the line, which is here in any case.
  const write = compileText(partsOf(textFormat.trimEnd().replaceAll(/[\r\n]+/g, " ")));
  return (request) => `${write(request)}\n`;
}

function partsOf(format: string): readonly FormatPart[] {
  const reading = readAccessLogFormat(format);
  return reading.ok ? reading.parts : [];
}

function compileText(parts: readonly FormatPart[]): (request: LoggedRequest) => string {
  const pieces = parts.map((part) => (part.kind === "text" ? part.text : readerOf(part)));
  return (request) => {
    let line = "";
    for (const piece of pieces) {
      if (typeof piece === "string") line += piece;
      else line += textOf(piece(request));
    }
    return line;
  };
}

function textOf(value: Value): string {
  if (value === undefined || value === "") return "-";
  return typeof value === "number" ? `${value}` : plainText(value);
}

/** Absent values are null, those of one operator alone keep their type: as Envoy does with `json_format`. */
function compileJson(entries: readonly (readonly [string, string])[]): LineFormat {
  const members = entries.map(([key, format], i) => {
    const parts = partsOf(format);
    const [only] = parts;
    const write = parts.length === 1 && only !== undefined && only.kind !== "text" ? readerOf(only) : mixed(parts);
    return { key: `${i === 0 ? "{" : ","}${jsonText(key)}:`, write };
  });
  return (request) => {
    let line = members.length === 0 ? "{" : "";
    for (const { key, write } of members) {
      const value = write(request);
      line += key;
      if (typeof value === "number") line += value;
      else line += value === undefined ? "null" : jsonText(value);
    }
    return `${line}}\n`;
  };
}

function mixed(parts: readonly FormatPart[]): Reader {
  const pieces = parts.map((part) => (part.kind === "text" ? part.text : readerOf(part)));
  return (request) => pieces.map((piece) => (typeof piece === "string" ? piece : `${piece(request) ?? "-"}`)).join("");
}

function readerOf(part: Exclude<FormatPart, { kind: "text" }>): Reader {
  switch (part.kind) {
    case "time":
      return ({ startedWallMs }) => formatStartTime(part.format, startedWallMs);
    case "fact": {
      const read = facts[part.fact];
      return (request) => shortened(read(request), part.maxLength);
    }
    case "field": {
      const { of, name, other, maxLength } = part;
      return (request) => {
        const value = fieldOf(request, of, name) ?? (other === "" ? undefined : fieldOf(request, of, other));
        return value === undefined ? undefined : maskedUrl(value.slice(0, maxLength));
      };
    }
  }
}

function shortened(value: Value, maxLength: number): Value {
  return typeof value === "string" && value.length > maxLength ? value.slice(0, maxLength) : value;
}

/** Fields that are not sent by anybody here and that Envoy's users have in their formats. */
const serviceTime = "x-envoy-upstream-service-time";

function fieldOf(request: LoggedRequest, of: "request" | "response" | "trailers", name: string): string | undefined {
  const { head, response, trailers, attempts, firstByteMs, startedMs } = request.observation;
  const block: FieldBlock | undefined = { request: head?.block, response: response?.block, trailers }[of];
  const value = block?.get(name);
  if (value === undefined && name === serviceTime && attempts > 0 && firstByteMs >= 0) {
    return `${Math.trunc(firstByteMs - startedMs)}`;
  }
  return value;
}

function sinceStart({ startedMs }: Observation, atMs: number): Value {
  return atMs < 0 ? undefined : Math.trunc(atMs - startedMs);
}

function known(text: string): Value {
  return text === "" ? undefined : text;
}

const unknown: Reader = () => undefined;
const withoutPort: Reader = ({ observation }) => known(observation.peer.remoteAddress.replace(/:\d+$/, ""));
const remoteAddress: Reader = ({ observation }) => known(observation.peer.remoteAddress);
/** As Envoy names the codes. */
const grpcNames = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
] as const;

const facts: Readonly<Record<FactOperator, Reader>> = {
  RESPONSE_CODE: ({ observation }) => observation.status,
  RESPONSE_CODE_DETAILS: ({ observation }) => known(responseDetails(observation)),
  RESPONSE_FLAGS: ({ observation }) => responseFlags(observation) || "-",
  RESPONSE_FLAGS_LONG: ({ observation }) => longResponseFlags(responseFlags(observation)) || "-",
  CONNECTION_TERMINATION_DETAILS: unknown,
  DURATION: ({ observation }) => sinceStart(observation, observation.endedMs),
  REQUEST_DURATION: ({ observation }) => sinceStart(observation, observation.requestEndedMs),
  RESPONSE_DURATION: ({ observation }) => sinceStart(observation, observation.firstByteMs),
  RESPONSE_TX_DURATION: ({ observation: { firstByteMs, endedMs } }) =>
    firstByteMs < 0 ? undefined : Math.trunc(endedMs - firstByteMs),
  BYTES_RECEIVED: ({ observation }) => observation.requestBytes,
  BYTES_SENT: ({ observation }) => observation.responseBytes,
  PROTOCOL: ({ observation }) => known(observation.version),
  GRPC_STATUS: ({ observation }) => grpcNames[grpcStatus(observation)],
  GRPC_STATUS_NUMBER: ({ observation }) => (grpcStatus(observation) < 0 ? undefined : grpcStatus(observation)),
  UPSTREAM_HOST: ({ observation }) => known(observation.endpoint),
  UPSTREAM_CLUSTER: ({ observation }) => known(observation.cluster),
  UPSTREAM_LOCAL_ADDRESS: unknown,
  UPSTREAM_TRANSPORT_FAILURE_REASON: unknown,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: ({ observation }) => observation.attempts,
  ROUTE_NAME: ({ observation }) => known(observation.route),
  DOWNSTREAM_LOCAL_ADDRESS: ({ listen }) => listen,
  DOWNSTREAM_REMOTE_ADDRESS: remoteAddress,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: withoutPort,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: remoteAddress,
  DOWNSTREAM_PEER_URI_SAN: ({ observation }) => known(observation.peer.peerUri),
  DOWNSTREAM_PEER_SUBJECT: ({ observation }) => observation.peer.peerCertificate?.subject,
  DOWNSTREAM_PEER_FINGERPRINT_256: ({ observation }) => observation.peer.peerCertificate?.hash,
  REQUESTED_SERVER_NAME: unknown,
  TRACE_ID: ({ observation }) => observation.span?.traceId,
};
