import { isUtf8 } from "node:buffer";
import { mustGet } from "../../../lib/base/assert.ts";
import type { ExtAuthzConfig } from "../../../lib/contract/proxy-ext-authz.ts";
import { FieldBlock } from "../../message/field-block.ts";
import { checkRequest, RequestHead } from "../../message/request-head.ts";
import { type CheckOutcome, failed, type FieldChange, maxChanges } from "./answer.ts";
import type { CheckProtocol, CheckReply } from "./check-protocol.ts";
import type { FieldFilter } from "./check-request.ts";
import { type CheckSubject, methodOf } from "./check-subject.ts";
import { isProtected } from "./field-changes.ts";
import { compileNames, compileSent } from "./name-patterns.ts";

/** As in Envoy: what its answers have in this field, with commas, is taken out of the request. */
const removalsField = "x-envoy-auth-headers-to-remove";
/** Of a denial the client gets these whatever is allowed. */
const alwaysForClients: ReadonlySet<string> = new Set(["location", "www-authenticate"]);
/** Answers are taken as they are, so none may be compressed; and no answer may be about a part of something. */
const neverSent: ReadonlySet<string> = new Set(["accept-encoding", "range", "if-range"]);

/** Envoy's `http_service`: the head of the request, as it is, to another path. */
export class HttpCheck implements CheckProtocol {
  readonly #pathPrefix: string;
  readonly #isSent: FieldFilter;
  readonly #isForUpstream: FieldFilter;
  readonly #isAppended: FieldFilter;
  readonly #isForClient: FieldFilter;
  readonly #isForClientOnSuccess: FieldFilter;

  constructor(config: ExtAuthzConfig, http: NonNullable<ExtAuthzConfig["http"]>) {
    this.#pathPrefix = http.pathPrefix;
    this.#isSent = compileSent(config, { sendsAll: false, always: ["authorization"] });
    this.#isForUpstream = compileNames(http.allowedUpstreamHeaders);
    this.#isAppended = compileNames(http.allowedUpstreamHeadersToAppend);
    const isNamed = compileNames(http.allowedClientHeaders);
    const isAll = http.allowedClientHeaders.length === 0;
    this.#isForClient = (name) => isAll || alwaysForClients.has(name) || isNamed(name);
    this.#isForClientOnSuccess = compileNames(http.allowedClientHeadersOnSuccess);
  }

  request({ head }: CheckSubject): { readonly head: RequestHead } {
    const sent = [
      ...[":method", methodOf(head), ":scheme", head.scheme, ":authority", head.authority],
      ...[":path", this.#pathPrefix + head.path, "content-length", "0"],
    ];
    const neverIndexed: number[] = [];
    const { block } = head;
    for (let i = 0; i < block.fields.length; i += 2) {
      const name = block.fields[i] ?? "";
      if (!this.#isSent(name) || neverSent.has(name) || isFraming(name)) continue;
      if (block.neverIndexed.includes(i)) neverIndexed.push(sent.length);
      sent.push(name, block.fields[i + 1] ?? "");
    }
    const checked = checkRequest(new FieldBlock(sent, neverIndexed));
    return { head: mustGet(checked instanceof RequestHead ? checked : undefined, "a part of a request is a request") };
  }

  outcome({ head, body }: CheckReply): CheckOutcome {
    const { status, block } = head;
    if (status >= 500) return failed(`it answered with status ${status}`);
    if (block.fields.length / 2 > maxChanges) return failed("its answer has too many fields");
    if (status !== 200) return this.#denial(head.status, block, body);
    const changes: FieldChange[] = [];
    const responseChanges: FieldChange[] = [];
    const removals: string[] = [];
    for (let i = 2; i < block.fields.length; i += 2) {
      const name = block.fields[i] ?? "";
      const value = block.fields[i + 1] ?? "";
      if (name === removalsField) {
        for (const one of value.split(",")) if (one.trim() !== "") removals.push(one.trim().toLowerCase());
        continue;
      }
      if (this.#isForUpstream(name)) changes.push({ name, value, how: "overwrite" });
      if (this.#isAppended(name)) changes.push({ name, value, how: "add" });
      if (this.#isForClientOnSuccess(name)) responseChanges.push({ name, value, how: "add" });
    }
    return { kind: "ok", changes, removals, query: undefined, responseChanges };
  }

  #denial(status: number, block: FieldBlock, body: Buffer): CheckOutcome {
    const fields: string[] = [];
    // Nobody asked for a compressed one, and what is no text cannot be answered with.
    const isText = block.get("content-encoding") === undefined && isUtf8(body);
    for (let i = 2; i < block.fields.length; i += 2) {
      const name = block.fields[i] ?? "";
      if (name === removalsField || name === "content-encoding" || isProtected(name, "response")) continue;
      if (this.#isForClient(name) || name === "content-type") fields.push(name, block.fields[i + 1] ?? "");
    }
    return { kind: "denied", status, grpcStatus: undefined, fields, body: isText ? body.toString("utf8") : "" };
  }
}

/** What frames the request that is asked about would not be true of the one that asks; pseudo-header fields are said anew. */
function isFraming(name: string): boolean {
  return isProtected(name, "request") && name !== "x-forwarded-client-cert";
}
