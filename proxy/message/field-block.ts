import type { RequestHead } from "./request-head.ts";
import type { RequestRuleOutcome, RequestRules } from "./request-rules.ts";
import type { ResponseHead } from "./response-head.ts";
import type { Verdict } from "./verdict.ts";

/** Why a block that HPACK could read is no message: the stream is reset, the connection goes on. */
export type FieldProblem = "malformed_field" | "header_list_too_large";

const none: readonly number[] = [];

/**
 * The fields of one header section: names in lower case and values, alternating, one character per byte, pseudo-header
 * fields first. It never changes once made, so one block may stand for every message that repeats it: what was worked out
 * about it (the checked head, its encoded form) is kept on it.
 */
export class FieldBlock {
  readonly fields: readonly string[];
  /** Indexes into `fields` of names whose field must stay a never-indexed literal on every hop (RFC 7541 section 7.1.3). */
  readonly neverIndexed: readonly number[];
  /** What is wrong with a received block; `fields` is then not complete. */
  readonly problem: FieldProblem | undefined;
  /** The block stands for repeated messages, so what is worked out about it is worth keeping. */
  isShared = false;
  /** Memo of `checkRequest` and `checkResponse`. */
  request: RequestHead | undefined;
  response: ResponseHead | undefined;
  /** Memo of an encoder: the bytes, whose they are and the state of its table they hold for. */
  encoded: Uint8Array | undefined;
  encodedBy: object | undefined;
  encodedGeneration = 0;
  /** Memo of HTTP/1.1: the head's bytes and in which form. */
  http1: Buffer | undefined;
  http1Form = 0;
  /** Memo of `canonicalRequest`, and the rules that it holds for. */
  ruled: RequestRuleOutcome | undefined;
  ruledBy: RequestRules | undefined;
  /** Memo of authorization, and the rules that it holds for. */
  verdict: Verdict | undefined;
  judgedBy: object | undefined;
  /** Memo of a policy: the head that it makes of this one, and what it was made for. */
  edited: RequestHead | undefined;
  editedBy: object | undefined;
  /** Memo of routes: what they decided about a request, or the head that they made of this response, and which ones; or of limits. */
  decided: object | undefined;
  decidedBy: object | undefined;

  constructor(fields: readonly string[], neverIndexed: readonly number[] = none, problem?: FieldProblem) {
    this.fields = fields;
    this.neverIndexed = neverIndexed;
    this.problem = problem;
  }

  /** The value of the first field of this name, which is given in lower case. */
  get(name: string): string | undefined {
    const { fields } = this;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }
}
