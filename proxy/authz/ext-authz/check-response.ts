import { ProtobufReader } from "../protobuf/reader.ts";
import { type Answer, failed, type FailedCheck, type FieldChange, maxChanges, type Said } from "./answer.ts";

/** What an `envoy.service.auth.v3.CheckResponse` says; undefined for what is none, or is none that could be followed. */
export function decodeCheckResponse(bytes: Buffer): Answer | FailedCheck | undefined {
  const said: SaidAll = { code: 0, denied: undefined, ok: undefined, error: undefined };
  const reader = new ProtobufReader(bytes);
  reader.fields((field) => {
    if (field === 1) reader.message((inner) => readStatus(reader, said, inner));
    else if (field === 2) {
      // Of the three the last one counts: they are a oneof.
      said.ok = said.error = undefined;
      said.denied ??= { status: 0, fields: [], body: "" };
      readDenied(reader, said.denied);
    } else if (field === 3) {
      said.denied = said.error = undefined;
      said.ok ??= { changes: [], removals: [], responseChanges: [], set: [], remove: [] };
      readOk(reader, said.ok);
    } else if (field === 5) {
      said.denied = said.ok = undefined;
      said.error ??= { status: 0, fields: [], body: "" };
      readDenied(reader, said.error);
    }
  });
  return reader.isBroken ? undefined : answerOf(said);
}

interface SaidAll {
  code: number;
  denied: SaidDenied | undefined;
  ok: SaidOk | undefined;
  error: SaidDenied | undefined;
}

interface SaidDenied {
  status: number;
  readonly fields: SaidField[];
  body: string;
}

interface SaidOk {
  readonly changes: SaidField[];
  readonly removals: string[];
  readonly responseChanges: SaidField[];
  readonly set: [name: string, value: string][];
  readonly remove: string[];
}

/** A `HeaderValueOption`. */
interface SaidField {
  name: string;
  value: string;
  /** `append`, where it is there. */
  appends: boolean | undefined;
  action: number;
}

function readStatus(reader: ProtobufReader, said: SaidAll, field: number): void {
  if (field === 1) said.code = reader.int32();
}

function readDenied(reader: ProtobufReader, denied: SaidDenied): void {
  reader.message((field) => {
    if (field === 1) {
      reader.message((inner) => {
        if (inner === 1) denied.status = reader.int32();
      });
    } else if (field === 2) denied.fields.push(readField(reader));
    else if (field === 3) denied.body = reader.text();
  });
}

function readOk(reader: ProtobufReader, ok: SaidOk): void {
  reader.message((field) => {
    if (field === 2) ok.changes.push(readField(reader));
    else if (field === 5) ok.removals.push(reader.text());
    else if (field === 6) ok.responseChanges.push(readField(reader));
    else if (field === 7) ok.set.push(readParameter(reader));
    else if (field === 8) ok.remove.push(reader.text());
  });
}

function readField(reader: ProtobufReader): SaidField {
  const field: SaidField = { name: "", value: "", appends: undefined, action: 0 };
  reader.message((outer) => {
    if (outer === 1) {
      reader.message((inner) => {
        if (inner === 1) field.name = reader.text();
        else if (inner === 2) field.value = Buffer.from(reader.text(), "utf8").toString("latin1");
        else if (inner === 3) field.value = reader.bytes().toString("latin1");
      });
    } else if (outer === 2) {
      // A BoolValue: a message, so that it can be absent.
      field.appends ??= false;
      reader.message((inner) => {
        if (inner === 1) field.appends = reader.int32() !== 0;
      });
    } else if (outer === 3) field.action = reader.int32();
  });
  return field;
}

function readParameter(reader: ProtobufReader): [name: string, value: string] {
  const parameter: [string, string] = ["", ""];
  reader.message((field) => {
    if (field === 1) parameter[0] = reader.text();
    else if (field === 2) parameter[1] = reader.text();
  });
  return parameter;
}

function answerOf({ code, denied, ok, error }: SaidAll): Answer | FailedCheck | undefined {
  if (code !== 0 && error !== undefined) {
    const said = asSaid(error);
    return said === undefined ? undefined : { ...failed("it says that it failed"), said };
  }
  if (code !== 0) return denialOf(code, denied);
  const { changes = [], removals = [], responseChanges = [], set = [], remove = [] } = ok ?? {};
  const count = changes.length + removals.length + responseChanges.length + set.length + remove.length;
  if (count > maxChanges) return undefined;
  const requestChanges = changes.map((change) => changeOf(change, "overwrite"));
  const forResponse = responseChanges.map((change) => changeOf(change, "add"));
  if (!requestChanges.every(isKnown) || !forResponse.every(isKnown)) return undefined;
  return {
    kind: "ok",
    changes: requestChanges,
    removals: removals.map((name) => name.toLowerCase()),
    query: set.length + remove.length === 0 ? undefined : { set, remove },
    responseChanges: forResponse,
  };
}

function denialOf(code: number, denied: SaidDenied | undefined): Answer | undefined {
  const said = asSaid(denied ?? { status: 0, fields: [], body: "" });
  if (said === undefined) return undefined;
  const status = said.status === 0 ? 403 : said.status;
  return { ...said, kind: "denied", status, grpcStatus: code >= 1 && code <= 16 ? code : undefined };
}

/** Undefined for what cannot be answered with. */
function asSaid({ status, fields, body }: SaidDenied): Said | undefined {
  if ((status !== 0 && (status < 200 || status > 599)) || fields.length > maxChanges) return undefined;
  return { status, fields: fields.flatMap(({ name, value }) => [name.toLowerCase(), value]), body };
}

/**
 * `append` decides where it is there. Where neither is, `unsaid`: Envoy's messages say that `append` defaults to false in them, so that
 * a client's own field never stands beside what an authorizer says of it; Set-Cookie of a response is one more line, as in Envoy.
 */
function changeOf({ name, value, appends, action }: SaidField, unsaid: FieldChange["how"]): FieldChange | undefined {
  const how = appends === undefined ? [unsaid, ...actions][action] : appends ? "add" : "overwrite";
  return how === undefined ? undefined : { name: name.toLowerCase(), value, how };
}

/** `HeaderAppendAction` 1 to 3; 0 is what is not said. */
const actions = ["add-if-absent", "overwrite", "overwrite-if-exists"] as const;

function isKnown(change: FieldChange | undefined): change is FieldChange {
  return change !== undefined;
}
