import { isUtf8 } from "node:buffer";
import type { RequestHead } from "../../message/request-head.ts";
import { ProtobufWriter } from "../protobuf/writer.ts";
import { type CheckSubject, methodOf } from "./check-subject.ts";

/** Which fields of a request an authorizer is sent, by their names in lower case. */
export type FieldFilter = (name: string) => boolean;

export interface CheckRequestOptions {
  readonly subject: CheckSubject;
  readonly isSent: FieldFilter;
  readonly hasCertificate: boolean;
  /** `header_map` in the place of `headers`. */
  readonly isRaw: boolean;
  readonly contextExtensions: readonly (readonly [name: string, value: string])[];
  /** Bytes to leave free before the message. */
  readonly prefixBytes: number;
}

/** Numbers of fields in `envoy/service/auth/v3` and what it uses of `envoy/config/core/v3`. */
const attributes = 1;
const attribute = { source: 1, destination: 2, request: 4, contextExtensions: 10 } as const;
const peer = { address: 1, principal: 4, certificate: 5 } as const;
const address = { socketAddress: 1, address: 2, portValue: 3 } as const;
const request = { time: 1, http: 2 } as const;
const timestamp = { seconds: 1, nanos: 2 } as const;
const http = {
  id: 1,
  method: 2,
  headers: 3,
  path: 4,
  host: 5,
  scheme: 6,
  size: 9,
  protocol: 10,
  headerMap: 13,
} as const;
const entry = { key: 1, value: 2 } as const;
const headerMap = { headers: 1, key: 1, rawValue: 3 } as const;

/** An `envoy.service.auth.v3.CheckRequest`. */
export function encodeCheckRequest({ subject, prefixBytes, ...options }: CheckRequestOptions): Buffer {
  const { peers, head, nowMs, id } = subject;
  const writer = new ProtobufWriter(prefixBytes);
  const all = writer.open(attributes);
  writePeer(writer, attribute.source, {
    hostPort: peers.callerAddress,
    principal: peers.callerUri,
    certificate: options.hasCertificate ? peers.callerCertificate() : "",
  });
  writePeer(writer, attribute.destination, { hostPort: peers.ownAddress, principal: peers.ownUri, certificate: "" });
  const whole = writer.open(attribute.request);
  const time = writer.open(request.time);
  writer.number(timestamp.seconds, Math.floor(nowMs / 1_000));
  writer.number(timestamp.nanos, Math.floor(nowMs % 1_000) * 1_000_000);
  writer.close(time);
  const message = writer.open(request.http);
  writer.text(http.id, id);
  writer.text(http.method, methodOf(head));
  if (options.isRaw) writeRawFields(writer, head, options.isSent);
  else writeFields(writer, head, options.isSent);
  writer.text(http.path, head.path);
  writer.text(http.host, head.authority);
  writer.text(http.scheme, head.scheme);
  writer.number(http.size, head.contentLength);
  writer.text(http.protocol, peers.protocol);
  writer.close(message);
  writer.close(whole);
  for (const [name, value] of options.contextExtensions) writeEntry(writer, attribute.contextExtensions, name, value);
  writer.close(all);
  return writer.finish();
}

function writePeer(
  writer: ProtobufWriter,
  field: number,
  { hostPort, principal, certificate }: Record<"hostPort" | "principal" | "certificate", string>,
): void {
  const whole = writer.open(field);
  // Without brackets where it is IPv6.
  const colon = hostPort.lastIndexOf(":");
  const outer = writer.open(peer.address);
  const inner = writer.open(address.socketAddress);
  writer.text(address.address, hostPort.slice(0, colon).replace(/^\[|\]$/g, ""));
  writer.number(address.portValue, Number(hostPort.slice(colon + 1)));
  writer.close(inner);
  writer.close(outer);
  writer.text(peer.principal, principal);
  if (certificate !== "") writer.text(peer.certificate, encodeURIComponent(certificate));
  writer.close(whole);
}

/** Each name once: several lines of a field are one value (RFC 9110 section 5.3). */
function writeFields(writer: ProtobufWriter, head: RequestHead, isSent: FieldFilter): void {
  const values = new Map<string, string>();
  const { fields } = head.block;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    const value = name === ":method" ? methodOf(head) : (fields[i + 1] ?? "");
    if (name === ":protocol" || !isSent(name)) continue;
    const before = values.get(name);
    values.set(name, before === undefined ? value : `${before},${value}`);
  }
  for (const [name, value] of values) writeEntry(writer, http.headers, name, asText(value));
}

function writeRawFields(writer: ProtobufWriter, head: RequestHead, isSent: FieldFilter): void {
  const whole = writer.open(http.headerMap);
  const { fields } = head.block;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (name === ":protocol" || !isSent(name)) continue;
    const one = writer.open(headerMap.headers);
    writer.text(headerMap.key, name);
    const value = name === ":method" ? methodOf(head) : (fields[i + 1] ?? "");
    writer.bytes(headerMap.rawValue, Buffer.from(value, "latin1"));
    writer.close(one);
  }
  writer.close(whole);
}

function writeEntry(writer: ProtobufWriter, field: number, name: string, value: string): void {
  const at = writer.open(field);
  writer.text(entry.key, name);
  writer.text(entry.value, value);
  writer.close(at);
}

/** A field's value as text: its bytes as UTF-8 or, where they are none, with `!` for each that is not ASCII, as Envoy does it. */
function asText(value: string): string {
  if (!/[\x80-\xff]/.test(value)) return value;
  const bytes = Buffer.from(value, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : value.replace(/[\x80-\xff]/g, "!");
}
