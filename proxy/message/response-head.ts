import type { MessageProblem } from "./message-problem.ts";
import type { FieldBlock } from "./field-block.ts";
import { connectionFieldProblem, isPseudoField, parseContentLength } from "./field-rules.ts";

/** A response head that has passed RFC 9113 section 8.3.2. */
export class ResponseHead {
  status = 0;
  /** -1 when there is none. */
  contentLength = -1;
  readonly block: FieldBlock;

  constructor(block: FieldBlock) {
    this.block = block;
  }

  get isInformational(): boolean {
    return this.status < 200;
  }
}

/** The head that a block is, or why it is none. */
export function checkResponse(block: FieldBlock): ResponseHead | MessageProblem {
  if (block.response !== undefined) return block.response;
  if (block.problem !== undefined) return block.problem;
  const head = new ResponseHead(block);
  const problem = readFields(head, block.fields);
  if (problem !== undefined) return problem;
  block.response = head;
  return head;
}

function readFields(head: ResponseHead, fields: readonly string[]): MessageProblem | undefined {
  if (fields[0] !== ":status") return "bad_pseudo_field";
  head.status = parseStatus(fields[1] ?? "");
  if (head.status < 0) return "bad_status";
  for (let i = 2; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (isPseudoField(name)) return "bad_pseudo_field";
    if (name === "content-length") {
      if (head.contentLength >= 0) return "bad_content_length";
      head.contentLength = parseContentLength(fields[i + 1] ?? "");
      if (head.contentLength < 0) return "bad_content_length";
      continue;
    }
    const problem = connectionFieldProblem(name, fields[i + 1] ?? "");
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Three digits from 100 to 599; 101 does not exist in HTTP/2 (section 8.6). */
function parseStatus(value: string): number {
  if (value.length !== 3) return -1;
  const status = parseContentLength(value);
  return status >= 100 && status <= 599 && status !== 101 ? status : -1;
}
