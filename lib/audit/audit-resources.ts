import { createHash } from "node:crypto";
import type { AuditResource } from "./audit-event.ts";

/**
 * What a request is about, by its path: names and ids only. Whatever a body holds beside them is passed over, so that a
 * field that is added later is no leak; of a key's value the size and the begin of a hash are taken.
 */
export interface AuditedRequest {
  /** Without the query, its escapes undone. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The bytes as they came, or what a schema made of them. */
  readonly body: unknown;
}

/** A transaction has at most 128 operations; a registration may bring any number of checks. */
const maxResources = 128;
const maxNameChars = 512;
/** Bodies that nobody has decoded are only read up to this size. */
const maxParsedBytes = 1024 * 1024;

export function auditResources(request: AuditedRequest): readonly AuditResource[] {
  for (const [pattern, read] of readers) {
    const found = pattern.exec(request.path);
    if (found !== null) return read(short(found[1] ?? ""), request).slice(0, maxResources);
  }
  return namedByPath(request.path);
}

/** What an answer says was made, for requests that leave the name to the server. */
export function auditCreated(path: string, payload: unknown): AuditResource | undefined {
  const made = creators.find(([pattern]) => pattern.test(path));
  if (made === undefined) return undefined;
  const [, type, field] = made;
  const name = text(membersOf(payload), field);
  return name === "" ? undefined : { type, name };
}

type Members = ReadonlyMap<string, unknown>;
/** `name` is what the pattern took from the path. */
type Reader = (name: string, request: AuditedRequest) => readonly AuditResource[];

/** The name of the path, else the first of the fields that the body has; several names make one, with slashes. */
const named =
  (type: string, ...fields: readonly (readonly string[])[]): Reader =>
  (name, { body }) => [{ type, name: name || nameIn(membersOf(body), fields) }];

/** The first that fits decides. */
const readers: readonly (readonly [pattern: RegExp, read: Reader])[] = [
  [/^\/v1\/kv\/?(.*)$/s, (name, { body }) => [{ type: "key", name, ...valueFacts(body) }]],
  [/^\/v1\/txn$/, (_name, { body }) => itemsOf(parsedBody(body)).flatMap(txnResource)],
  [/^\/v1\/catalog\/(?:de)?register$/, (_name, { body }) => registration(membersOf(body))],
  [/^\/v1\/agent\/service\/register$/, (_name, { body }) => [service(membersOf(body), "")]],
  [/^\/v1\/agent\/check\/register$/, (_name, { body }) => [check(membersOf(body), "")]],
  [/^\/v1\/config(?:\/(.*))?$/, named("config-entry", ["Kind", "Name"])],
  [/^\/v1\/connect\/intentions(?:\/exact|\/(.*))?$/, (id, request) => [intention(id, request)]],
  [/^\/v1\/session\/create$/, (_name, { body }) => [session(membersOf(body))]],
  [/^\/v1\/acl\/token(?:\/(.*))?$/, named("acl-token", ["AccessorID"])],
  [/^\/v1\/acl\/policy(?:\/(.*))?$/, named("acl-policy", ["ID"], ["Name"])],
  [/^\/v1\/acl\/role(?:\/(.*))?$/, named("acl-role", ["ID"], ["Name"])],
  [/^\/v1\/acl\/binding-rule(?:\/(.*))?$/, named("acl-binding-rule", ["ID"], ["AuthMethod"])],
  [/^\/v1\/acl\/auth-method(?:\/(.*))?$/, named("acl-auth-method", ["Name"])],
  [/^\/v1\/acl\/login$/, named("acl-auth-method", ["AuthMethod"])],
  [/^\/v1\/query(?:\/(.*))?$/, named("query", ["Name"])],
  [/^\/v1\/peering\/(?:token|establish)$/, named("peering", ["PeerName"])],
];

const creators: readonly (readonly [pattern: RegExp, type: string, field: string])[] = [
  [/^\/v1\/acl\/(?:login|bootstrap|token(?:\/|$))/, "acl-token", "AccessorID"],
  [/^\/v1\/acl\/policy(?:\/|$)/, "acl-policy", "ID"],
  [/^\/v1\/acl\/role(?:\/|$)/, "acl-role", "ID"],
  [/^\/v1\/acl\/binding-rule(?:\/|$)/, "acl-binding-rule", "ID"],
  [/^\/v1\/session\/create$/, "session", "ID"],
  [/^\/v1\/query$/, "query", "ID"],
  [/^\/v1\/connect\/intentions$/, "intention", "ID"],
];

/** `/v1/event/fire/deploy` is the `event` "fire/deploy", `/v1/agent/service/deregister/web` the `agent-service` "deregister/web". */
function namedByPath(path: string): readonly AuditResource[] {
  const [, , group = "", ...rest] = path.split("/");
  const kind = group === "agent" ? `agent-${rest.shift() ?? ""}` : group;
  return [{ type: kind, name: short(rest.join("/")) }];
}

function nameIn(body: Members, fields: readonly (readonly string[])[]): string {
  for (const names of fields) {
    const texts = names.map((name) => text(body, name));
    if (texts.some((one) => one !== "")) return texts.join("/");
  }
  return "";
}

function registration(body: Members): AuditResource[] {
  const node = text(body, "Node");
  const found: AuditResource[] = [];
  const serviceId = text(body, "ServiceID");
  const checkId = text(body, "CheckID");
  if (body.has("service")) found.push(service(membersOf(body.get("service")), node));
  if (serviceId !== "") found.push({ type: "service", name: serviceId, node });
  if (checkId !== "") found.push({ type: "check", name: checkId, node });
  if (body.has("check")) found.push(check(membersOf(body.get("check")), node));
  for (const one of itemsOf(body.get("checks"))) found.push(check(membersOf(one), node));
  // A deregistration that names a service or check leaves the node alone.
  return serviceId === "" && checkId === "" ? [{ type: "node", name: node }, ...found] : found;
}

function service(fields: Members, node: string): AuditResource {
  const name = text(fields, "ID") || text(fields, "Service") || text(fields, "Name");
  return { type: "service", name, ...onNode(node) };
}

function check(fields: Members, node: string): AuditResource {
  const name = text(fields, "CheckID") || text(fields, "ID") || text(fields, "Name");
  return { type: "check", name, ...onNode(node) };
}

function session(fields: Members): AuditResource {
  return { type: "session", name: text(fields, "Name"), ...onNode(text(fields, "Node")) };
}

function onNode(node: string): Pick<AuditResource, "node"> {
  return node === "" ? {} : { node };
}

function intention(id: string, { query, body }: AuditedRequest): AuditResource {
  if (id !== "") return { type: "intention", name: id };
  const fields = membersOf(body);
  const source = query["source"] ?? text(fields, "SourceName");
  const destination = query["destination"] ?? text(fields, "DestinationName");
  return { type: "intention", name: short(`${source} => ${destination}`) };
}

function txnResource(operation: unknown): AuditResource[] {
  const [kind, raw] = [...membersOf(operation)][0] ?? ["", undefined];
  const fields = membersOf(raw);
  const verb = text(fields, "Verb");
  if (kind === "kv") {
    const value = fields.get("value");
    const facts = typeof value === "string" ? valueFacts(Buffer.from(value, "base64")) : {};
    return [{ type: "key", name: text(fields, "Key"), operation: verb, ...facts }];
  }
  const subject = membersOf(fields.get(kind));
  const node = text(subject, "Node");
  if (kind === "node") return [{ type: "node", name: node || text(subject, "ID"), operation: verb }];
  if (kind === "service") return [{ ...service(subject, text(fields, "Node")), operation: verb }];
  if (kind === "check") return [{ ...check(subject, node), operation: verb }];
  return kind === "session" ? [{ type: "session", name: text(subject, "ID"), operation: verb }] : [];
}

function valueFacts(body: unknown): Pick<AuditResource, "bytes" | "sha256"> {
  if (!(body instanceof Uint8Array)) return {};
  return { bytes: body.length, sha256: createHash("sha256").update(body).digest("hex").slice(0, 16) };
}

function short(name: string): string {
  return name.length > maxNameChars ? `${name.slice(0, maxNameChars)}…` : name;
}

/** A field that is text, in whatever case its name was sent; empty otherwise. */
function text(fields: Members, name: string): string {
  const value = fields.get(name.toLowerCase());
  return typeof value === "string" ? short(value) : "";
}

/** The members of a JSON object by their names in lower case without underscores; none for anything else. */
function membersOf(body: unknown): Members {
  const value = parsedBody(body);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return new Map();
  return new Map(Object.entries(value).map(([key, member]) => [key.toLowerCase().replaceAll("_", ""), member]));
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, maxResources) : [];
}

function parsedBody(body: unknown): unknown {
  if (typeof body !== "string" && !(body instanceof Uint8Array)) return body;
  if (body.length === 0 || body.length > maxParsedBytes) return undefined;
  try {
    return JSON.parse(typeof body === "string" ? body : Buffer.from(body).toString());
  } catch {
    return undefined;
  }
}
