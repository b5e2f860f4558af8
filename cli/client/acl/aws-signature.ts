import { createHash, createHmac } from "node:crypto";

export interface AwsCredentials {
  readonly id: string;
  readonly secret: string;
  /** Of temporary credentials; empty for none. */
  readonly session: string;
}

export interface AwsCall {
  readonly service: "iam" | "sts";
  readonly region: string;
  /** Without a query. */
  readonly url: URL;
  /** A form. */
  readonly body: string;
  /** Signed with the others. */
  readonly headers: Readonly<Record<string, string>>;
}

const algorithm = "AWS4-HMAC-SHA256";

/** The headers of a POST by AWS's Signature Version 4, in the spelling of Go's clients and without `Host`. */
export function signAwsCall(call: AwsCall, credentials: AwsCredentials, nowMs: number): Record<string, string> {
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const headers: Record<string, string> = {
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    ...call.headers,
    "X-Amz-Date": time,
    ...(credentials.session !== "" && { "X-Amz-Security-Token": credentials.session }),
  };
  const lines = Object.entries({ ...headers, host: call.url.host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/ +/g, " ")] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const names = lines.map(([name]) => name).join(";");
  const canonical = lines.map(([name, value]) => `${name}:${value}\n`).join("");
  const request = `POST\n${call.url.pathname}\n\n${canonical}\n${names}\n${sha256(call.body)}`;
  const scope = [time.slice(0, 8), call.region, call.service, "aws4_request"];
  const key = scope.reduce<Buffer | string>((last, part) => hmac(last, part), `AWS4${credentials.secret}`);
  const text = `${algorithm}\n${time}\n${scope.join("/")}\n${sha256(request)}`;
  const signature = hmac(key, text).toString("hex");
  const authorization = `${algorithm} Credential=${credentials.id}/${scope.join("/")}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...headers, Authorization: authorization };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
