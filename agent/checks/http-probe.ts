import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { errorMessage } from "../../lib/base/errors.ts";
import type { CheckStatus } from "../../lib/contract/catalog.ts";
import type { CheckProbe } from "../service-definition.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";

export type HttpProbe = Extract<CheckProbe, { type: "http" }>;

/** Go's client gives up after as many. */
const maxRedirects = 10;
const redirectStatuses = [301, 302, 303, 307, 308];

/**
 * One request as Consul makes it: a connection of its own that is not kept, 2xx is passing, 429 warning, everything else
 * (no answer in time included) critical. Only as much of the body is read as the output may hold.
 */
export async function probeHttp(probe: HttpProbe, limits: ProbeLimits): Promise<ProbeResult> {
  try {
    const answer = await follow(probe, limits);
    const line = `HTTP ${probe.method} ${probe.url}: ${answer.status} ${answer.reason} Output: ${answer.body}`;
    return { status: statusOf(answer.status), output: capOutput(line, limits.outputMaxBytes) };
  } catch (error) {
    const reason = limits.signal.aborted ? "no answer in time" : errorMessage(error);
    const output = `HTTP ${probe.method} ${probe.url}: ${reason}`;
    return { status: "critical", output: capOutput(output, limits.outputMaxBytes) };
  }
}

function statusOf(httpStatus: number): CheckStatus {
  if (httpStatus >= 200 && httpStatus <= 299) return "passing";
  return httpStatus === 429 ? "warning" : "critical";
}

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly body: string;
  readonly location: string | undefined;
}

interface Call {
  readonly url: URL;
  readonly method: string;
  readonly body: string;
}

async function follow(probe: HttpProbe, limits: ProbeLimits): Promise<Answer> {
  let call: Call = { url: new URL(probe.url), method: probe.method, body: probe.body };
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const answer = await exchange(probe, call, limits);
    const isRedirect = redirectStatuses.includes(answer.status) && answer.location !== undefined;
    if (!isRedirect || probe.disableRedirects) return answer;
    const next = new URL(answer.location ?? "", call.url);
    if (next.protocol !== "http:" && next.protocol !== "https:") throw new Error(`redirected to ${next.protocol}`);
    // RFC 9110 15.4: 307 and 308 keep the method and body, the others become a GET (or stay a HEAD).
    const keepsMethod = answer.status === 307 || answer.status === 308 || call.method === "HEAD";
    call = keepsMethod ? { ...call, url: next } : { url: next, method: "GET", body: "" };
  }
  throw new Error(`stopped after ${maxRedirects} redirects`);
}

function exchange(probe: HttpProbe, call: Call, limits: ProbeLimits): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = open(probe, call);
    const onAbort = (): void => void request.destroy(new Error("aborted"));
    const settle = (finish: () => void): void => {
      limits.signal.removeEventListener("abort", onAbort);
      request.destroy();
      finish();
    };
    request.on("error", (error) => settle(() => reject(error)));
    request.once("response", (response) => {
      readBody(response, limits.outputMaxBytes).then(
        (body) => settle(() => resolve(answerOf(response, body))),
        (error: unknown) => settle(() => reject(error)),
      );
    });
    limits.signal.addEventListener("abort", onAbort, { once: true });
    if (limits.signal.aborted) onAbort();
    request.end(call.body);
  });
}

function open(probe: HttpProbe, call: Call): ClientRequest {
  const headers: Record<string, string | string[]> = {
    accept: "text/plain, text/*, */*",
    "user-agent": "Consul Health Check",
    connection: "close",
  };
  // A credential for one host is not for the one that it redirects to.
  const isOwnHost = call.url.host === new URL(probe.url).host;
  for (const [name, values] of Object.entries(isOwnHost ? probe.headers : {})) {
    headers[name.toLowerCase()] = values.length === 1 ? (values[0] ?? "") : [...values];
  }
  if (call.body !== "") headers["content-length"] = String(Buffer.byteLength(call.body));
  const common = { method: call.method, headers, agent: false } as const;
  if (call.url.protocol === "http:") return requestHttp(call.url, common);
  return requestHttps(call.url, {
    ...common,
    rejectUnauthorized: !probe.tlsSkipVerify,
    ...(probe.tlsServerName !== "" && { servername: probe.tlsServerName }),
  });
}

function answerOf(response: IncomingMessage, body: string): Answer {
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? "",
    body,
    location: response.headers.location,
  };
}

/** The first `maxBytes` of a body. What follows is not read: the connection is dropped. */
async function readBody(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    chunks.push(bytes);
    sizeBytes += bytes.length;
    if (sizeBytes >= maxBytes) break;
  }
  return capOutput(Buffer.concat(chunks).toString("utf8"), maxBytes);
}
