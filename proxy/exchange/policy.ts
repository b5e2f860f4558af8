import type { RequestHead } from "../message/request-head.ts";
import type { Upstream } from "./ends.ts";

/** What happens to a request. */
export type Decision =
  /** `head` is what the upstream gets: the one that came, or an edited one. */
  | {
      readonly action: "forward";
      readonly upstream: Upstream;
      readonly head: RequestHead;
      /** For those who watch: the names of the route and of the cluster that were chosen. */
      readonly route?: string;
      readonly cluster?: string;
    }
  | LocalReply;

/** An answer of our own. */
export interface LocalReply {
  readonly action: "reply";
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** More of its fields: names in lower case and values, alternating. */
  readonly fields?: readonly string[];
  /** For a gRPC call, when the status of HTTP does not say it well enough. */
  readonly grpcStatus?: number;
}

/** Decides for the requests of one downstream connection. */
export interface RequestPolicy {
  decide(head: RequestHead): Decision;
}
