import type { Random } from "../../../lib/base/random.ts";
import { FieldEdit } from "../../message/field-edit.ts";
import type { RequestHead } from "../../message/request-head.ts";
import {
  formatTraceparent,
  joinTracestate,
  parseTraceparent,
  sampledFlag,
  type TraceContext,
} from "./trace-context.ts";

/** The part that one proxy has in a trace. */
export interface Span extends TraceContext {
  /** Of whoever called; empty for the first of a trace. */
  readonly parentSpanId: string;
  readonly state: string;
}

const parentField = "traceparent";
const stateField = "tracestate";

/** The span of a request: of the trace that it names, or of a new one, of which `sample` are recorded. A decision made before us stands. */
export function beginSpan({ block }: RequestHead, random: Random, sample: number): Span {
  const parents: string[] = [];
  const states: string[] = [];
  const { fields } = block;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === parentField) parents.push(fields[i + 1] ?? "");
    else if (fields[i] === stateField) states.push(fields[i + 1] ?? "");
  }
  const [only = ""] = parents;
  // Two of them are none (section 3.2).
  const parent = parents.length === 1 ? parseTraceparent(only) : undefined;
  const spanId = randomHex(random, 8);
  if (parent === undefined) {
    const flags = random.float() < sample ? sampledFlag : 0;
    return { traceId: randomHex(random, 16), spanId, parentSpanId: "", flags, state: "" };
  }
  return { ...parent, spanId, parentSpanId: parent.spanId, state: joinTracestate(states) };
}

/** The head that names `span` as the parent of whatever comes of it. */
export function withSpan(head: RequestHead, span: Span): RequestHead {
  const { fields } = head.block;
  const edit = new FieldEdit(head.block);
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === parentField || fields[i] === stateField) edit.drop(i);
  }
  edit.add(parentField, formatTraceparent(span));
  if (span.state !== "") edit.add(stateField, span.state);
  return edit.request();
}

function randomHex(random: Random, bytes: number): string {
  const hex = Buffer.from(random.bytes(bytes)).toString("hex");
  // All zero is no id (section 3.2.2.3).
  return /[^0]/.test(hex) ? hex : `${hex.slice(0, -1)}1`;
}
