import type { FieldBlock } from "../../message/field-block.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { ResponseHead } from "../../message/response-head.ts";
import type { CheckOutcome } from "./answer.ts";
import type { CheckSubject } from "./check-subject.ts";

/** How an authorizer is asked, and what its answers mean: pure, one for each protocol. */
export interface CheckProtocol {
  /** What is sent; without a body where there is none. */
  request(subject: CheckSubject): { readonly head: RequestHead; readonly body?: Buffer };
  /** What the whole response says. */
  outcome(response: CheckReply): CheckOutcome;
}

export interface CheckReply {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: FieldBlock | undefined;
}
