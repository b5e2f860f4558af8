import type { ResponseReceiver, UpstreamStream } from "../exchange/ends.ts";
import { replyHead, textReply } from "../exchange/local-reply.ts";
import type { Decision, LocalReply } from "../exchange/policy.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import { answeredBy } from "./own-upstream.ts";

/** Answers a request when `reply` is there. */
export function laterReply(head: RequestHead, reply: Promise<LocalReply>): Decision {
  const made = reply.catch(() => failed);
  return answeredBy(head, (request, receiver) => new LaterStream(made, request, receiver));
}

const failed = textReply(500, "the page could not be made");

class LaterStream implements UpstreamStream {
  #receiver: ResponseReceiver | undefined;

  constructor(reply: Promise<LocalReply>, request: RequestHead, receiver: ResponseReceiver) {
    this.#receiver = receiver;
    void reply.then((made) => this.#answer(made, request.method === "HEAD"));
  }

  #answer(reply: LocalReply, isHead: boolean): void {
    const { head, body } = replyHead(reply);
    const isEnd = isHead || body.length === 0;
    this.#receiver?.onResponse(head, isEnd);
    if (!isEnd) this.#receiver?.onResponseData(body, 0, body.length, true);
  }

  /** The request's body is read and dropped. */
  data(_bytes: Buffer, start: number, end: number): number {
    return end - start;
  }

  trailers(_block: FieldBlock): void {
    // Dropped with the body.
  }

  consumeResponse(): void {
    // The exchange keeps what the client does not take yet.
  }

  abort(): void {
    this.#receiver = undefined;
  }
}
