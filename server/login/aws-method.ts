import { AtollError } from "../../lib/contract/error-codes.ts";
import { type AwsEntity, readArn, readCallerIdentity, readEntity } from "./aws-answers.ts";
import { readAwsToken, type SignedRequest } from "./aws-token.ts";
import { ConfigReader } from "./config-reader.ts";
import { type Identity, identityFields } from "./identity.ts";
import { badConfig, type CreateVerifier, notVerified, sampleValue, type VerifierTools } from "./method-type.ts";
import { type OutsideAnswer, readUrl } from "./outside-call.ts";

/** Auth methods of the type `aws-iam`: AWS says whose signature it is. */
const maxRetries = 5;
const tagName = /^[\p{L}\p{N}\p{Z}_.:/=+@-]{1,128}$/u;

export const createAwsVerifier: CreateVerifier = (config, tools) => {
  const read = new ConfigReader(config);
  const arns = read.texts("BoundIAMPrincipalARNs");
  const wantsEntity = read.flag("EnableIAMEntityDetails");
  const tags = read.texts("IAMEntityTags");
  const serverId = read.text("ServerIDHeaderValue");
  const stsEndpoint = readEndpoint("STSEndpoint", read.text("STSEndpoint"));
  const iamEndpoint = readEndpoint("IAMEndpoint", read.text("IAMEndpoint"));
  const retries = read.integer("MaxRetries", 100);
  // Who logs in signs for a region; here it changes nothing.
  read.text("STSRegion");
  const allowedHeaders = read.texts("AllowedSTSHeaderValues").map((name) => name.toLowerCase());
  read.finish();
  checkArns(arns, wantsEntity);
  if (tags.length > 0 && !wantsEntity) throw badConfig("Must set EnableIAMEntityDetails=true to use IAMUserTags");
  if (!tags.every((tag) => tagName.test(tag))) throw badConfig("Config.IAMEntityTags: that is no name of a tag");
  const rules = {
    wantsEntity,
    serverId,
    mustBeStsHost: stsEndpoint === undefined,
    mustBeIamHost: iamEndpoint === undefined,
    allowedHeaders,
  };
  const names = ["entity_name", "entity_id", "account_id", ...(wantsEntity ? ["entity_path"] : [])];
  const tagNames = tags.map((tag) => `entity_tags.${tag}`);
  const send = (request: SignedRequest, endpoint: URL | undefined): Promise<string> =>
    sendSigned(request, { endpoint, retries: Math.min(retries, maxRetries), tools });

  return {
    sampleVariables: new Map([...names, ...tagNames].map((name) => [name, sampleValue])),
    fields: identityFields({ names: [...names, ...tagNames], listNames: [], open: [] }),
    async verify(bearerToken) {
      const token = readAwsToken(bearerToken, rules);
      const caller = readCallerIdentity(await send(token.callerIdentity, stsEndpoint));
      const arn = readArn(caller.arn);
      const variables = new Map([
        ["entity_name", arn.friendlyName],
        ["entity_id", caller.userId],
        ["account_id", caller.account],
      ]);
      if (token.entity === undefined) {
        mustBeBound(arn.canonical, arns, wantsEntity);
        return { variables, lists: new Map() };
      }
      const entity = readEntity(await send(token.entity, iamEndpoint), token.entity.action);
      // Only the identity of the caller is proven; the details are those of whom it asked about.
      if (entity.id !== caller.userId) throw notVerified("unique id mismatch in login token");
      mustBeBound(entity.arn, arns, wantsEntity);
      return withDetails(variables, entity, tags);
    },
  };
};

function withDetails(variables: Map<string, string>, entity: AwsEntity, tags: readonly string[]): Identity {
  variables.set("entity_path", entity.path);
  for (const tag of tags) variables.set(`entity_tags.${tag}`, entity.tags.get(tag) ?? "");
  return { variables, lists: new Map() };
}

function readEndpoint(field: string, text: string): URL | undefined {
  if (text === "") return undefined;
  const url = readUrl(text);
  if (url === undefined) throw badConfig(`Config.${field} is no http or https URL`);
  return url;
}

function checkArns(arns: readonly string[], wantsEntity: boolean): void {
  if (arns.length === 0) throw badConfig("BoundIAMPrincipalARNs is required and must have at least 1 entry");
  for (const arn of arns) {
    const stars = arn.split("*").length - 1;
    if (stars > 0 && !wantsEntity) {
      throw badConfig("Must set EnableIAMEntityDetails=true to use wildcards in BoundIAMPrincipalARNs");
    }
    if (stars > 1 || (stars === 1 && !arn.endsWith("*"))) {
      throw badConfig("Only one wildcard is allowed at the end of the bound IAM principal ARN");
    }
    if (!/^arn:[^:]*:(?:iam|sts):[^:]*:[^:]*:.+$/.test(arn)) throw badConfig(`Invalid principal ARN: "${arn}"`);
  }
}

function mustBeBound(arn: string, bound: readonly string[], allowsWildcards: boolean): void {
  const isBound = bound.some(
    (one) => one === arn || (allowsWildcards && one.endsWith("*") && arn.startsWith(one.slice(0, -1))),
  );
  if (!isBound) throw notVerified(`IAM principal ${arn} is not trusted`);
}

/** To AWS as it was signed, or to the endpoint of the method, with the host that was signed. */
async function sendSigned(
  request: SignedRequest,
  options: { readonly endpoint: URL | undefined; readonly retries: number; readonly tools: VerifierTools },
): Promise<string> {
  const { endpoint = request.url, retries, tools } = options;
  for (let attempt = 0; ; attempt++) {
    const answer = await tools.call({
      method: "POST",
      url: endpoint,
      headers: { ...request.headers, host: request.url.host },
      body: request.body,
    });
    const isTemporary = answer.status >= 500 || answer.status === 429;
    if (isTemporary && attempt < retries) continue;
    return mustBeXml(answer);
  }
}

/** What AWS says about a signature that it refuses is shown: it helps, and holds no key. */
function mustBeXml({ status, contentType, body }: OutsideAnswer): string {
  if (status === 200 && contentType.startsWith("text/xml")) return body;
  if (status === 200) throw notVerified("the answer of AWS is no XML");
  const code = /<Code>([A-Za-z0-9.]{1,80})<\/Code>/.exec(body)?.[1] ?? "no code";
  if (status < 500) throw notVerified(`AWS answered ${status} (${code})`);
  throw new AtollError("UNAVAILABLE", `AWS answered ${status} (${code})`, { status: 500 });
}
