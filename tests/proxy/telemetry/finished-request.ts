import { type ExchangeObserver, Observation } from "../../../proxy/exchange/observation.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { checkResponse, ResponseHead } from "../../../proxy/message/response-head.ts";

const nobody: ExchangeObserver = {
  begin: () => new Observation(nobody),
  monotonicMs: () => 0,
  forward: (_, head) => head,
  ended: () => undefined,
};

export function requestHead(fields: readonly string[] = [], path = "/a", method = "GET"): RequestHead {
  const block = new FieldBlock([":method", method, ":scheme", "http", ":authority", "api", ":path", path, ...fields]);
  const head = checkRequest(block);
  if (!(head instanceof RequestHead)) throw new Error(head);
  return head;
}

export function responseHead(status: number, fields: readonly string[] = []): ResponseHead {
  const head = checkResponse(new FieldBlock([":status", `${status}`, ...fields]));
  if (!(head instanceof ResponseHead)) throw new Error(head);
  return head;
}

export interface FinishedOptions {
  readonly request?: RequestHead;
  readonly status?: number;
  readonly responseFields?: readonly string[];
  readonly trailers?: readonly string[];
}

/** A request that has been answered by 127.0.0.1:8080, with what a test wants to be different. */
export function finished(
  { request = requestHead(), status = 200, responseFields = [], trailers }: FinishedOptions = {},
  changes: Partial<Observation> = {},
): Observation {
  const observation = new Observation(nobody);
  observation.begin({ peerUri: "", peerCertificate: undefined, remoteAddress: "127.0.0.1:55555" }, "HTTP/1.1", 1_000);
  observation.head = request;
  observation.send({ remoteAddress: "127.0.0.1:8080", send: () => undefined });
  if (status > 0) observation.respond(responseHead(status, responseFields), 1_012.7);
  if (trailers !== undefined) observation.trailers = new FieldBlock(trailers);
  observation.endedMs = 1_025.4;
  return Object.assign(observation, changes);
}
