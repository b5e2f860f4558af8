import { X509Certificate } from "node:crypto";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { ConfigReader } from "./config-reader.ts";
import { type Identity, identityFields } from "./identity.ts";
import { badConfig, type CreateVerifier, notVerified, sampleValue } from "./method-type.ts";
import { type OutsideAnswer, readUrl } from "./outside-call.ts";

/** Auth methods of the type `kubernetes`: the API server says whose service account token it is. */
const names = ["serviceaccount.namespace", "serviceaccount.name", "serviceaccount.uid"];
/** On a service account: the name of the service that it stands for, when it is another. */
const serviceNameAnnotation = "consul.hashicorp.com/service-name";
const maxTokenCharacters = 16_384;
/** RFC 1123 subdomains, as Kubernetes has them: they become parts of a path. */
const objectName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

export const createKubernetesVerifier: CreateVerifier = (config, { call }) => {
  const read = new ConfigReader(config);
  const base = readHost(read.mustText("Host"));
  const caPem = read.mustText("CACert");
  const ownToken = read.mustText("ServiceAccountJWT");
  read.finish();
  mustBeCertificate(caPem);
  if (!isJwt(ownToken)) throw badConfig("Config.ServiceAccountJWT is not a valid JWT");

  const ask = async (method: "GET" | "POST", path: string, body?: object): Promise<Record<string, unknown>> => {
    const url = new URL(base);
    url.pathname = `${base.pathname.replace(/\/$/, "")}${path}`;
    const answer = await call({
      method,
      url,
      caPem,
      headers: { authorization: `Bearer ${ownToken}`, accept: "application/json", "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return readAnswer(answer, path);
  };

  return {
    sampleVariables: new Map(names.map((name) => [name, sampleValue])),
    fields: identityFields({ names, listNames: [], open: [] }),
    async verify(token) {
      if (token.length > maxTokenCharacters || !isJwt(token)) throw notVerified("failed to parse and validate JWT");
      const review = await ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenReview",
        spec: { token },
      });
      const { namespace, name, uid } = reviewedAccount(review);
      const account = await ask("GET", `/api/v1/namespaces/${namespace}/serviceaccounts/${name}`);
      const annotations = recordAt(recordAt(account, "metadata"), "annotations");
      const override = annotations[serviceNameAnnotation];
      return identityOf({ namespace, uid, name: typeof override === "string" ? override : name });
    },
  };
};

function identityOf(account: { readonly namespace: string; readonly name: string; readonly uid: string }): Identity {
  const variables = new Map(Object.entries(account).map(([key, value]) => [`serviceaccount.${key}`, value]));
  return { variables, lists: new Map() };
}

/** A host, `host:port` or URL; the token of the method never goes over an open connection. */
function readHost(host: string): URL {
  const url = readUrl(host.includes("://") ? host : `https://${host}`);
  if (url === undefined) throw badConfig("Config.Host is no host, host:port or URL");
  if (url.protocol !== "https:") throw badConfig("Config.Host must be reached over https");
  return url;
}

function mustBeCertificate(pem: string): void {
  try {
    new X509Certificate(pem);
  } catch {
    throw badConfig("error parsing kubernetes ca cert: it is no certificate in PEM");
  }
}

/** What the API server says is of its error's kind; it is shown, for it speaks of accounts and rights, not of tokens. */
function readAnswer({ status, body }: OutsideAnswer, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    value = undefined;
  }
  const answer: Record<string, unknown> = typeof value === "object" && value !== null ? { ...value } : {};
  if (status === 200 || status === 201) return answer;
  const what = path.includes("tokenreviews") ? "token review" : "annotation lookup";
  const reason = typeof answer["reason"] === "string" ? answer["reason"] : "no reason given";
  throw new AtollError("UNAVAILABLE", `${what} failed: the Kubernetes API answered ${status} (${reason})`, {
    status: 500,
  });
}

function reviewedAccount(review: Record<string, unknown>): { namespace: string; name: string; uid: string } {
  const status = recordAt(review, "status");
  const problem = status["error"];
  if (typeof problem === "string" && problem !== "")
    throw notVerified("lookup failed: the token review ended in an error");
  if (status["authenticated"] !== true) throw notVerified("lookup failed: service account jwt not valid");
  const user = recordAt(status, "user");
  const username = typeof user["username"] === "string" ? user["username"] : "";
  const [system, kind, namespace = "", name = "", ...rest] = username.split(":");
  if (rest.length > 0 || name === "") throw notVerified("lookup failed: unexpected username format");
  if (system !== "system" || kind !== "serviceaccount") {
    throw notVerified("lookup failed: username returned is not a service account");
  }
  if (!objectName.test(namespace) || !objectName.test(name)) {
    throw notVerified("lookup failed: unexpected username format");
  }
  return { namespace, name, uid: typeof user["uid"] === "string" ? user["uid"] : "" };
}

function recordAt(value: Record<string, unknown>, key: string): Record<string, unknown> {
  const member = Object.hasOwn(value, key) ? value[key] : undefined;
  return typeof member === "object" && member !== null ? { ...member } : {};
}

function isJwt(token: string): boolean {
  const [head = "", ...rest] = token.split(".");
  if (rest.length !== 2 || !/^[A-Za-z0-9_-]+$/.test(head)) return false;
  try {
    const header: unknown = JSON.parse(Buffer.from(head, "base64url").toString("utf8"));
    return typeof header === "object" && header !== null && "alg" in header;
  } catch {
    return false;
  }
}
