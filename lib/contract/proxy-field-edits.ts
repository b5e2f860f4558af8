import { Type } from "typebox";
import type { Static } from "typebox";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * Changes to the fields of a message, as in Consul's header modifiers and the Gateway API's. `remove` comes first, then `set`,
 * which replaces whatever there is, then `add`, which puts one more line behind those that are there. Values are taken as they
 * are written.
 */
const closed = { additionalProperties: false } as const;
const maxEdits = 64;
const namePattern = { pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", maxLength: 256 } as const;
const Field = Type.Object(
  {
    name: Type.String({ ...namePattern, description: "the field's name, in any case" }),
    /** Nothing that could end a line. */
    value: Type.String({
      pattern: "^(?:[!-~](?:[\\t -~]*[!-~])?)?$",
      maxLength: 4_096,
      description: "its value, as it is written: visible ASCII, with blanks between",
    }),
  },
  closed,
);
export const Fields = (description: string) => Type.Array(Field, { maxItems: maxEdits, default: [], description });

export const FieldEdits = (description: string) =>
  Type.Object(
    {
      set: Fields("second: fields in the place of all of their names"),
      add: Fields("last: lines behind those that are there"),
      remove: Type.Array(Type.String(namePattern), {
        maxItems: maxEdits,
        default: [],
        description: "first: names of fields that are taken away",
      }),
    },
    { ...closed, default: {}, description },
  );

export type FieldEdits = Static<ReturnType<typeof FieldEdits>>;
export type Field = Static<typeof Field>;
export type EditedMessage = "request" | "response";

/** What frames a message or belongs to one connection: two readers must not find two messages in one. */
const framing = new Set([
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** Only a proxy could know what these say; the next one would take them away again. */
const proxyOwned = new Set([
  "x-forwarded-client-cert",
  "x-envoy-internal",
  "x-envoy-external-address",
  "x-envoy-original-path",
  "x-envoy-original-host",
  "x-envoy-peer-metadata",
  "x-envoy-peer-metadata-id",
]);
/** Those that would be taken for one of the proxies' own once `_` is `-`, as applications that read variables do. */
const forgeable = new Set([
  ...proxyOwned,
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-real-ip",
  "x-request-id",
]);
/** A second line of these is refused by whoever reads the message next, our own proxies among them. */
const single = new Set([
  "content-type",
  "grpc-timeout",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-proto",
  "x-real-ip",
  "x-request-id",
]);

/** Of edits at `path` in their document. */
export function fieldEditIssues(path: string, { set, add, remove }: FieldEdits, message: EditedMessage): SchemaIssue[] {
  return [
    ...fieldIssues(`${path}.set`, set, message),
    ...fieldIssues(`${path}.add`, add, message),
    ...add.flatMap(({ name }, i) =>
      hasOneValue(name.toLowerCase())
        ? [{ path: `${path}.add[${i}].name`, message: `"${name}" has one value: use "set"` }]
        : [],
    ),
    ...remove.flatMap((name, i) => nameIssues(`${path}.remove[${i}]`, name, message)),
  ];
}

export function fieldIssues(path: string, fields: readonly Field[], message: EditedMessage): SchemaIssue[] {
  return fields.flatMap(({ name }, i) => nameIssues(`${path}[${i}].name`, name, message));
}

function nameIssues(path: string, name: string, message: EditedMessage): SchemaIssue[] {
  const problem = fieldEditProblem(name.toLowerCase(), message);
  return problem === undefined ? [] : [{ path, message: `"${name}" cannot be edited: ${problem}` }];
}

/** Why nobody may edit the field of this name, in lower case; undefined for nearly all. */
export function fieldEditProblem(lower: string, message: EditedMessage): string | undefined {
  const plain = lower.replaceAll("_", "-");
  if (message === "request" && lower === "host") return "use rewrite.host";
  if (framing.has(plain) || (message === "request" && lower === "expect")) {
    return "it frames the message or belongs to one connection";
  }
  if (proxyOwned.has(lower) || plain.startsWith("x-atoll-") || (lower !== plain && forgeable.has(plain))) {
    return "it is what proxies say of their own";
  }
  return undefined;
}

/** Whether a second line of the field of this name, in lower case, would be refused by whoever reads the message next. */
export function hasOneValue(lower: string): boolean {
  return single.has(lower);
}
