import { isSecretField } from "./secret-fields.ts";

/**
 * The command operators of an access log, those of Envoy that Consul's users write in `AccessLogs` of `proxy-defaults`. A format is read
 * once, when the document is; an operator that is not known, or that names a field which may hold a secret, refuses the document.
 */
export type FormatPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "time"; readonly format: string }
  | {
      readonly kind: "field";
      readonly of: "request" | "response" | "trailers";
      readonly name: string;
      /** Looked for when `name` is not there; empty for none. */
      readonly other: string;
      readonly maxLength: number;
    }
  | { readonly kind: "fact"; readonly fact: FactOperator; readonly maxLength: number };

/** Operators without a field name. What nobody knows in this proxy is written as absent, as Envoy does where it does not apply. */
export const factOperators = [
  "RESPONSE_CODE",
  "RESPONSE_CODE_DETAILS",
  "RESPONSE_FLAGS",
  "RESPONSE_FLAGS_LONG",
  "CONNECTION_TERMINATION_DETAILS",
  "DURATION",
  "REQUEST_DURATION",
  "RESPONSE_DURATION",
  "RESPONSE_TX_DURATION",
  "BYTES_RECEIVED",
  "BYTES_SENT",
  "PROTOCOL",
  "GRPC_STATUS",
  "GRPC_STATUS_NUMBER",
  "UPSTREAM_HOST",
  "UPSTREAM_CLUSTER",
  "UPSTREAM_LOCAL_ADDRESS",
  "UPSTREAM_TRANSPORT_FAILURE_REASON",
  "UPSTREAM_REQUEST_ATTEMPT_COUNT",
  "ROUTE_NAME",
  "DOWNSTREAM_LOCAL_ADDRESS",
  "DOWNSTREAM_REMOTE_ADDRESS",
  "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
  "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
  "DOWNSTREAM_PEER_URI_SAN",
  "DOWNSTREAM_PEER_SUBJECT",
  "DOWNSTREAM_PEER_FINGERPRINT_256",
  "REQUESTED_SERVER_NAME",
  "TRACE_ID",
] as const;
export type FactOperator = (typeof factOperators)[number];

export type FormatReading =
  | { readonly ok: true; readonly parts: readonly FormatPart[] }
  | { readonly ok: false; readonly problem: string };

/** A value is cut at this length where the format does not say a shorter one: a line stays a line that tools take. */
export const maxValueLength = 4_096;
const maxParts = 128;

const fieldOperators: Readonly<Record<string, "request" | "response" | "trailers">> = {
  REQ: "request",
  RESP: "response",
  TRAILER: "trailers",
};
const fieldName = /^:?[a-z0-9!#$&'*+.^_`|~-]+$/;
/** What `%START_TIME(...)%` may be made of: letters of strftime, and Envoy's `%3f` for digits of the second's fraction. */
const timeLetters = /^(?:[YmdHMSFTszZe%]|[1-9]?f)/;

export function readAccessLogFormat(format: string): FormatReading {
  const parts: FormatPart[] = [];
  let text = "";
  let at = 0;
  while (at < format.length) {
    const percent = format.indexOf("%", at);
    text += format.slice(at, percent < 0 ? format.length : percent);
    if (percent < 0) break;
    if (format[percent + 1] === "%") {
      text += "%";
      at = percent + 2;
      continue;
    }
    const command = commandAt(format, percent);
    if (command === undefined) return { ok: false, problem: `"${format.slice(percent, percent + 40)}" has no end` };
    const part = readCommand(command);
    if (typeof part === "string") return { ok: false, problem: part };
    if (text !== "") parts.push({ kind: "text", text });
    text = "";
    parts.push(part);
    at = percent + command.length + 2;
  }
  if (text !== "") parts.push({ kind: "text", text });
  if (parts.length > maxParts) return { ok: false, problem: `it has more than ${maxParts / 2} operators` };
  return { ok: true, parts };
}

/** What stands between the percent signs; those within parentheses are part of it. */
function commandAt(format: string, percent: number): string | undefined {
  const match = /^%([A-Z0-9_]*(?:\([^)]*\))?(?::[^%]*)?)%/.exec(format.slice(percent));
  return match?.[1];
}

function readCommand(command: string): FormatPart | string {
  const match = /^([A-Z0-9_]+)(?:\((.*)\))?(?::(\d{1,9}))?$/.exec(command);
  const [, operator = "", argument, length] = match ?? [];
  const quoted = `%${command}%`;
  if (operator === "") return `${quoted} is no command operator`;
  const maxLength = Math.min(length === undefined ? maxValueLength : Number(length), maxValueLength);
  if (operator === "START_TIME")
    return length === undefined ? readTime(quoted, argument ?? "") : `${quoted}: no length`;
  const of = Object.hasOwn(fieldOperators, operator) ? fieldOperators[operator] : undefined;
  if (of !== undefined) return readField(quoted, { of, argument: argument ?? "", maxLength });
  const fact = factOperators.find((known) => known === operator);
  if (fact === undefined) {
    return `${quoted} is not known; there are START_TIME, REQ(), RESP(), TRAILER(), ${factOperators.join(", ")}`;
  }
  return argument === undefined ? { kind: "fact", fact, maxLength } : `${quoted}: ${operator} takes no argument`;
}

function readTime(quoted: string, format: string): FormatPart | string {
  for (let at = format.indexOf("%"); at >= 0; ) {
    const letters = timeLetters.exec(format.slice(at + 1))?.[0];
    if (letters === undefined)
      return `${quoted}: "${format.slice(at, at + 2)}" is not known; use %Y %m %d %H %M %S %3f`;
    at = format.indexOf("%", at + 1 + letters.length);
  }
  return { kind: "time", format };
}

function readField(
  quoted: string,
  { of, argument, maxLength }: { of: "request" | "response" | "trailers"; argument: string; maxLength: number },
): FormatPart | string {
  const [name = "", other = "", more] = argument.toLowerCase().split("?");
  if (more !== undefined || !fieldName.test(name) || (other !== "" && !fieldName.test(other))) {
    return `${quoted}: give a field's name, or two as in REQ(X?Y)`;
  }
  const secret = [name, other].find(isSecretField);
  if (secret !== undefined) return `${quoted}: "${secret}" may hold a secret, and those are never logged`;
  return { kind: "field", of, name, other, maxLength };
}
