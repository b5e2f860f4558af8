import { notVerified } from "./method-type.ts";

/** What AWS answers, in XML, and the names of what it answers about. */
export interface CallerIdentity {
  readonly arn: string;
  /** Without the session of an assumed role. */
  readonly userId: string;
  readonly account: string;
}

export interface AwsEntity {
  readonly arn: string;
  readonly id: string;
  readonly path: string;
  readonly tags: ReadonlyMap<string, string>;
}

/** Throws `PERMISSION_DENIED` for what is no such answer. */
export function readCallerIdentity(xml: string): CallerIdentity {
  const [result, ...more] = elements(xml, "GetCallerIdentityResult");
  if (result === undefined || more.length > 0) throw notVerified("the answer of STS does not name one identity");
  return {
    arn: mustElement(result, "Arn"),
    userId: mustElement(result, "UserId").split(":", 1)[0] ?? "",
    account: mustElement(result, "Account"),
  };
}

export function readEntity(xml: string, action: "GetRole" | "GetUser"): AwsEntity {
  const [result, ...more] = elements(xml, `${action}Result`);
  const kind = action === "GetRole" ? "Role" : "User";
  const [entity] = result === undefined ? [] : elements(result, kind);
  if (entity === undefined || more.length > 0) throw notVerified("the answer of IAM does not name one entity");
  const tags = elements(elements(entity, "Tags")[0] ?? "", "member").map((member): [string, string] => [
    mustElement(member, "Key"),
    elements(member, "Value").map(unescaped)[0] ?? "",
  ]);
  return {
    arn: mustElement(entity, "Arn"),
    id: mustElement(entity, `${kind}Id`),
    path: mustElement(entity, "Path"),
    tags: new Map(tags),
  };
}

export interface AwsArn {
  /** Of the role or user, not of its session. */
  readonly canonical: string;
  readonly friendlyName: string;
}

/** An assumed role is taken for the role. */
export function readArn(arn: string): AwsArn {
  const [scheme, partition = "", service, , account = "", ...resource] = arn.split(":");
  const [kind = "", ...names] = resource.join(":").split("/");
  const isIam = service === "iam" || service === "sts";
  if (scheme !== "arn" || !isIam || account === "" || names.length === 0) throw notVerified("unrecognized ARN");
  if (kind === "assumed-role") {
    const [role = "", session, ...rest] = names;
    if (role === "" || session === undefined || rest.length > 0) throw notVerified("unrecognized ARN");
    return { canonical: `arn:${partition}:iam::${account}:role/${role}`, friendlyName: role };
  }
  if (kind !== "role" && kind !== "user") throw notVerified(`unrecognized entity type: "${kind.slice(0, 40)}"`);
  return {
    canonical: `arn:${partition}:iam::${account}:${names.length > 1 ? resource.join(":") : `${kind}/${names[0]}`}`,
    friendlyName: names.at(-1) ?? "",
  };
}

/** The contents of the elements of a name. AWS nests none of those that are asked for in itself. */
function elements(xml: string, name: string): string[] {
  const found: string[] = [];
  const close = `</${name}>`;
  for (let at = 0; ; ) {
    const start = openTag(xml, name, at);
    const end = start < 0 ? -1 : xml.indexOf(close, start);
    if (end < 0) return found;
    found.push(xml.slice(start, end));
    at = end + close.length;
  }
}

/** The offset behind `<name>` or `<name ...>`; -1 for none. */
function openTag(xml: string, name: string, from: number): number {
  for (let at = xml.indexOf(`<${name}`, from); at >= 0; at = xml.indexOf(`<${name}`, at + 1)) {
    const next = xml[at + name.length + 1] ?? "";
    if (next !== ">" && next !== " ") continue;
    const end = xml.indexOf(">", at);
    return end < 0 ? -1 : end + 1;
  }
  return -1;
}

function mustElement(xml: string, name: string): string {
  const value = unescaped(elements(xml, name)[0] ?? "").trim();
  if (value === "") throw notVerified(`the answer of AWS has no ${name}`);
  return value;
}

function unescaped(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}
