import { Type } from "typebox";
import type { Static } from "typebox";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { isKvFlags, type KvOperation, kvKeyProblem, kvReadVerbs, kvWriteVerbs } from "../../lib/contract/kv.ts";
import {
  catalogVerbs,
  maxTransactionOperations,
  type TransactionError,
  type TransactionOperation,
} from "../../lib/contract/transactions.ts";
import { createBodyDecoder } from "../../lib/http/body-decoder.ts";
import { kvExpiry } from "./kv-query.ts";
import { registerCommand } from "./register-command.ts";
import { CheckBody, type RegisterBody, RegisterBody as RegisterSchema, ServiceBody } from "./register-schema.ts";

/** The body of `/v1/txn`: a list of operations, each of one kind. */
const Text = Type.Optional(Type.String());
const Index = Type.Optional(Type.Integer({ minimum: 0 }));
const Weight = Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 }));

const OperationBody = Type.Object({
  KV: Type.Optional(
    Type.Object({
      Verb: Type.String(),
      Key: Text,
      Value: Text,
      Flags: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.String()])),
      Index,
      Session: Text,
      TTL: Text,
    }),
  ),
  Node: Type.Optional(
    Type.Object({
      Verb: Type.String(),
      Node: Type.Object({
        ID: Text,
        Node: Text,
        Address: Text,
        Datacenter: Text,
        TaggedAddresses: RegisterSchema.properties.TaggedAddresses,
        Meta: RegisterSchema.properties.NodeMeta,
        ModifyIndex: Index,
      }),
    }),
  ),
  Service: Type.Optional(
    Type.Object({
      Verb: Type.String(),
      Node: Text,
      Service: Type.Object({
        ...ServiceBody.properties,
        // Clients send what they left empty as zeros.
        Weights: Type.Optional(Type.Object({ Passing: Weight, Warning: Weight })),
        ModifyIndex: Index,
      }),
    }),
  ),
  Check: Type.Optional(
    Type.Object({
      Verb: Type.String(),
      Check: Type.Object({ ...CheckBody.properties, ModifyIndex: Index }),
    }),
  ),
});
type OperationBody = Static<typeof OperationBody>;

const decode = createBodyDecoder(Type.Array(OperationBody, { maxItems: 10_000 }));

export interface TransactionContext {
  readonly datacenter: string;
  readonly nowMs: number;
  readonly kvMaxValueBytes: number;
}

/** Complete operations, in order. Throws {@link RefusedOperation}, `INVALID_ARGUMENT`, or `TOO_LARGE` for too many of them or too large a value. */
export function transactionOperations(body: Uint8Array, context: TransactionContext): readonly TransactionOperation[] {
  const decoded = decode(withWholeFlags(body));
  if (!decoded.ok) throw new AtollError("INVALID_ARGUMENT", `Failed to parse body: ${decoded.message}`);
  const operations = trusted(decoded.value);
  if (operations.length > maxTransactionOperations) {
    const count = `(${operations.length} > ${maxTransactionOperations})`;
    throw new AtollError("TOO_LARGE", `Transaction contains too many operations ${count}`);
  }
  return operations.flatMap((operation, place) => {
    try {
      const made = transactionOperation(operation, context);
      return made === undefined ? [] : [made];
    } catch (thrown) {
      throw thrown instanceof UnknownVerb ? new RefusedOperation(place, thrown.message) : thrown;
    }
  });
}

/** An operation that cannot be, told as those that fail are: with its place. */
export class RefusedOperation extends Error implements TransactionError {
  readonly operation: number;

  constructor(operation: number, message: string) {
    super(message);
    this.operation = operation;
  }
}

class UnknownVerb extends Error {}

/** The decoder has just held it against the schema. */
function trusted(value: unknown): readonly OperationBody[] {
  return value as readonly OperationBody[];
}

/** Flags are numbers of 64 bits, and clients mark locks with large ones: parsed as numbers they would be others. */
function withWholeFlags(body: Uint8Array): Buffer {
  const text = Buffer.from(body).toString("utf8");
  return Buffer.from(text.replace(/("flags"\s*:\s*)(\d{16,20})(?=\s*[,}])/gi, '$1"$2"'));
}

/** An operation of no kind is none. */
function transactionOperation(body: OperationBody, context: TransactionContext): TransactionOperation | undefined {
  if (body.KV !== undefined) return { type: "kv", kv: kvOperation(body.KV, context) };
  if (body.Node !== undefined) return nodeOperation(body.Node, context);
  if (body.Service !== undefined) return serviceOperation(body.Service, context);
  if (body.Check !== undefined) return checkOperation(body.Check, context);
  return undefined;
}

function kvOperation(
  body: NonNullable<OperationBody["KV"]>,
  { nowMs, kvMaxValueBytes }: TransactionContext,
): KvOperation {
  const verb = [...kvWriteVerbs, ...kvReadVerbs].find((known) => known === body.Verb);
  if (verb === undefined) throw unknownVerb("KV", body.Verb);
  const key = body.Key ?? "";
  const isWriting = verb === "set" || verb === "cas" || verb === "lock";
  const problem = isWriting ? kvKeyProblem(key) : undefined;
  if (problem !== undefined) throw new AtollError("INVALID_ARGUMENT", problem);
  const flags = String(body.Flags ?? 0);
  if (!isKvFlags(flags))
    throw new AtollError("INVALID_ARGUMENT", `Failed to parse body: Flags ${flags} of key "${key}"`);
  const expiry = kvExpiry(body.TTL ?? "", nowMs);
  return {
    verb,
    key,
    value: canonicalValue(body.Value ?? "", { key, maxBytes: kvMaxValueBytes }),
    flags: BigInt(flags).toString(),
    index: body.Index ?? 0,
    session: body.Session ?? "",
    ...(expiry === undefined ? {} : { expiry }),
  };
}

/** The bytes that the text stands for, written in the one way that stands for them. */
function canonicalValue(text: string, { key, maxBytes }: { readonly key: string; readonly maxBytes: number }): string {
  if (!/^[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*$/.test(text)) {
    throw new AtollError("INVALID_ARGUMENT", `Failed to parse body: illegal base64 data in the value of key "${key}"`);
  }
  const bytes = Buffer.from(text, "base64");
  if (bytes.length > maxBytes) {
    const size = `(${bytes.length} > ${maxBytes} bytes)`;
    throw new AtollError("TOO_LARGE", `Value for key "${key}" is too large ${size}`);
  }
  return bytes.toString("base64");
}

function nodeOperation(
  { Verb, Node: node }: NonNullable<OperationBody["Node"]>,
  { datacenter }: TransactionContext,
): TransactionOperation {
  const verb = catalogVerb("Node", Verb);
  const { Meta, ModifyIndex = 0, ...rest } = node;
  const registration: RegisterBody = { ...rest, ...(Meta === undefined ? {} : { NodeMeta: Meta }) };
  return {
    type: "node",
    verb,
    name: node.Node ?? "",
    id: (node.ID ?? "").toLowerCase(),
    index: ModifyIndex,
    ...(isSetting(verb) ? { fields: registerCommand(registration, datacenter).node } : {}),
  };
}

function serviceOperation(
  { Verb, Node: node = "", Service: service }: NonNullable<OperationBody["Service"]>,
  { datacenter }: TransactionContext,
): TransactionOperation {
  const verb = catalogVerb("Service", Verb);
  const { ModifyIndex = 0, Weights: weights, ...rest } = service;
  const given = { ...rest, ...(weights?.Passing ? { Weights: weights } : {}) };
  const fields = isSetting(verb)
    ? registerCommand({ Node: node, SkipNodeUpdate: true, Service: given }, datacenter).service
    : undefined;
  return {
    type: "service",
    verb,
    node,
    id: fields?.ID ?? (service.ID || (service.Service ?? "")),
    index: ModifyIndex,
    ...(fields === undefined ? {} : { fields }),
  };
}

function checkOperation(
  { Verb, Check: body }: NonNullable<OperationBody["Check"]>,
  { datacenter }: TransactionContext,
): TransactionOperation {
  const verb = catalogVerb("Check", Verb);
  const { ModifyIndex = 0, ...check } = body;
  const node = check.Node ?? "";
  const [fields] = isSetting(verb)
    ? registerCommand({ Node: node, SkipNodeUpdate: true, Check: check }, datacenter).checks
    : [];
  return {
    type: "check",
    verb,
    node,
    id: fields?.CheckID ?? (check.CheckID || (check.Name ?? "")),
    index: ModifyIndex,
    ...(fields === undefined ? {} : { fields }),
  };
}

function isSetting(verb: (typeof catalogVerbs)[number]): boolean {
  return verb === "set" || verb === "cas";
}

function catalogVerb(what: string, text: string): (typeof catalogVerbs)[number] {
  const verb = catalogVerbs.find((known) => known === text);
  if (verb === undefined) throw unknownVerb(what, text);
  return verb;
}

function unknownVerb(what: string, verb: string): UnknownVerb {
  return new UnknownVerb(`unknown ${what} verb ${JSON.stringify(verb)}`);
}
