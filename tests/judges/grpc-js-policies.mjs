// What a client of @grpc/grpc-js checks of the policies of a proxy; go/grpc_policies.go has the same.
import grpc from "@grpc/grpc-js";
import { Caller } from "./grpc-js-caller.mjs";
import { pattern } from "./grpc-js-echo.mjs";

const {
  OK,
  CANCELLED,
  DEADLINE_EXCEEDED,
  INTERNAL,
  PERMISSION_DENIED,
  RESOURCE_EXHAUSTED,
  UNAVAILABLE,
  UNIMPLEMENTED,
} = grpc.status;
const noBytes = Buffer.alloc(0);
let calls = 0;

/** A name that no other call has, of this process or another. */
function nameCall() {
  calls++;
  return `js-${process.pid}-${calls}`;
}

function metadataOf(fields) {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(fields)) metadata.add(key, String(value));
  return metadata;
}

export class PolicyChecker extends Caller {
  async tries(call) {
    return Number((await this.call("Tries", Buffer.from(call))).answer);
  }

  /** The code that a call comes to; its answer must be the request. */
  async codeOf(request, fields) {
    try {
      const { answer } = await this.call("Unary", request, metadataOf(fields));
      if (!answer.equals(request)) throw new Error(`${request.length} bytes came back as ${answer.length} others`);
      return OK;
    } catch (thrown) {
      if (thrown.code === undefined) throw thrown;
      return thrown.code;
    }
  }

  async triesAre(call, wanted) {
    const tries = await this.tries(call);
    if (tries !== wanted) throw new Error(`the server was asked ${tries} times instead of ${wanted}`);
  }

  /** Makes one call and compares its code and how often the server was asked. */
  async comesTo(route, { code, tries = 0, asking = {}, request = noBytes }) {
    const call = nameCall();
    const got = await this.codeOf(request, { "x-route": route, "x-call": call, ...asking });
    if (got !== code) throw new Error(`the call came to ${got} instead of ${code}`);
    await this.triesAre(call, tries);
  }

  async retried() {
    for (const code of [UNAVAILABLE, RESOURCE_EXHAUSTED, CANCELLED]) {
      const asking = { "x-fail-first": 2, "x-status": code };
      await this.comesTo("retry", { code: OK, tries: 3, asking, request: Buffer.from("again") });
    }
  }

  notRetried() {
    return this.comesTo("retry", { code: INTERNAL, tries: 1, asking: { "x-fail-first": 1, "x-status": INTERNAL } });
  }

  retriedInVain() {
    const asking = { "x-fail-first": 9, "x-status": UNAVAILABLE };
    return this.comesTo("retry", { code: UNAVAILABLE, tries: 3, asking });
  }

  tooLongToRetry() {
    const asking = { "x-fail-first": 1, "x-status": UNAVAILABLE };
    return this.comesTo("retry", { code: UNAVAILABLE, tries: 1, asking, request: pattern(1 << 20, 1) });
  }

  /** Of 50 calls at once a fifth are tried again, and all hear of the failure. */
  async budget() {
    const call = nameCall();
    const fields = { "x-route": "budget", "x-call": call, "x-fail-first": 1_000, "x-status": UNAVAILABLE };
    const codes = await Promise.all(
      Array.from({ length: 50 }, () => this.codeOf(noBytes, { ...fields, "x-delay-ms": 200 })),
    );
    const other = codes.find((code) => code !== UNAVAILABLE);
    if (other !== undefined) throw new Error(`a call came to ${other}`);
    const tries = await this.tries(call);
    if (tries <= 50 || tries > 60) throw new Error(`for 50 calls the server was asked ${tries} times`);
  }

  tryTimeout() {
    return this.comesTo("per-try", { code: OK, tries: 2, asking: { "x-hang-first": 1 } });
  }

  lastTryTimeout() {
    return this.comesTo("per-try", { code: DEADLINE_EXCEEDED, tries: 2, asking: { "x-hang-first": 9 } });
  }

  ownDeadline() {
    const metadata = metadataOf({ "x-route": "long" });
    return this.endsEarly(DEADLINE_EXCEEDED, { deadline: Date.now() + 200 }, undefined, metadata);
  }

  /** With ten seconds of its own, so that only the route can end the call before. */
  async routeTimeout() {
    const began = performance.now();
    await this.endsEarly(DEADLINE_EXCEEDED, this.options, undefined, metadataOf({ "x-route": "short" }));
    const tookMs = performance.now() - began;
    if (tookMs < 250 || tookMs > 5_000) throw new Error(`the call ended after ${tookMs} ms`);
  }

  noEndpoint() {
    return this.comesTo("gone", { code: UNAVAILABLE });
  }

  denied() {
    return this.comesTo("denied", { code: PERMISSION_DENIED });
  }

  noRoute() {
    return this.comesTo("nowhere", { code: UNIMPLEMENTED });
  }

  /** The limit of this route is one call in a time that no test lasts for: it may be another client's. */
  async limited() {
    await this.codeOf(noBytes, { "x-route": "limited" });
    await this.comesTo("limited", { code: UNAVAILABLE });
  }

  streamRetried() {
    return this.streamComesTo(10, { code: OK, tries: 2, asking: { "x-fail-first": 1, "x-status": UNAVAILABLE } });
  }

  streamNotRetried() {
    const asking = { "x-break-after": 3, "x-status": UNAVAILABLE };
    return this.streamComesTo(3, { code: UNAVAILABLE, tries: 1, asking });
  }

  /** Asks for ten messages of the server and counts those that come. */
  async streamComesTo(messages, { code, tries, asking }) {
    const call = nameCall();
    const metadata = metadataOf({ "x-route": "retry", "x-call": call, ...asking });
    let got = 0;
    let ended = OK;
    try {
      for await (const _message of this.client.ServerStream(Buffer.from("10 100"), metadata, this.options)) got++;
    } catch (thrown) {
      ended = thrown.code;
    }
    if (got !== messages || ended !== code) throw new Error(`${got} messages came and then status ${ended}`);
    await this.triesAre(call, tries);
  }
}

/** The names are those of grpc-contract.ts. */
export const policyChecks = {
  "is tried again while the server is unavailable, exhausted or cancels": "retried",
  "is told a status that is not to be tried again, after one try": "notRetried",
  "is told the last status when every try has failed": "retriedInVain",
  "is not tried again beyond the budget": "budget",
  "is not tried again with a message longer than what is kept of it": "tooLongToRetry",
  "is tried again when a try has had its time": "tryTimeout",
  "is told when the last try has had its time": "lastTryTimeout",
  "ends at its own deadline before the time of its route, on both ends": "ownDeadline",
  "ends at the time of its route before its own deadline, on both ends": "routeTimeout",
  "hears of a destination without endpoints that it is unavailable": "noEndpoint",
  "hears of a denial that it has no permission": "denied",
  "hears of no route that nobody implements it": "noRoute",
  "hears of a limit that is spent that it is unavailable": "limited",
  "as a stream is tried again when it fails before its first message": "streamRetried",
  "as a stream is not tried again when it fails after its first message": "streamNotRetried",
};
