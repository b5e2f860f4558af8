/** The enrolment of a node on disk: `<data-dir>/enrolment/enrolment.json`, one file (0600), so that it is whole or not there. */
import { createPrivateKey } from "node:crypto";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { replaceFile } from "../../lib/base/durable-file.ts";
import { systemErrorCode } from "../../lib/base/errors.ts";
import { parseJsonText } from "../../lib/base/json-file.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { formatIssues, schemaIssues } from "../../lib/contract/schema-issues.ts";
import { readCertificate } from "../../lib/x509/certificate.ts";
import type { HostCertificate } from "./host-certificate.ts";

export interface EnrolmentRecord {
  readonly node: string;
  readonly datacenter: string;
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly rootsPem: string;
  /** SHA-256 in lower hex of roots that were trusted here before: not trusted any more, only known as this cluster's. */
  readonly formerRoots?: readonly string[];
  readonly certificate: HostCertificate;
}

const name = Type.String({ minLength: 1 });
const validator = Compile(
  Type.Object({
    version: Type.Literal(1),
    node: name,
    datacenter: name,
    clusterId: name,
    trustDomain: name,
    rootsPem: name,
    formerRoots: Type.Optional(Type.Array(name)),
    certificate: Type.Object({
      spiffeId: name,
      serialNumber: name,
      certPem: name,
      privateKeyPem: name,
      notBefore: name,
      notAfter: name,
      modifyIndex: Type.Integer(),
    }),
  }),
);

/** The folder that a person removes to make a node enrol anew. */
export function enrolmentDirectory(dataDir: string): string {
  return join(dataDir, "enrolment");
}

/** Undefined when there is none. Throws `DATA_CORRUPT` with what to do for one that cannot be used. */
export async function loadEnrolment(dataDir: string): Promise<EnrolmentRecord | undefined> {
  const path = join(enrolmentDirectory(dataDir), "enrolment.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
    await chmod(path, 0o600);
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
  const parsed = parseJsonText(text);
  if (!parsed.ok) throw corrupt(path, `line ${parsed.line}, column ${parsed.column}: ${parsed.message}`);
  if (!validator.Check(parsed.value)) throw corrupt(path, formatIssues(schemaIssues(validator, parsed.value)));
  const { version: _, ...record } = parsed.value;
  if (!isKeyOfCertificate(record.certificate)) throw corrupt(path, "its key does not belong to its certificate");
  return record;
}

export async function saveEnrolment(dataDir: string, record: EnrolmentRecord): Promise<void> {
  const directory = enrolmentDirectory(dataDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const content = `${JSON.stringify({ version: 1, ...record }, undefined, 2)}\n`;
  await replaceFile({ path: join(directory, "enrolment.json"), content, mode: 0o600, isDurable: true });
}

function isKeyOfCertificate(certificate: HostCertificate): boolean {
  try {
    return readCertificate(certificate.certPem)?.checkPrivateKey(createPrivateKey(certificate.privateKeyPem)) === true;
  } catch {
    return false;
  }
}

/** Values of the file may be secrets: only what is wrong and where is said. */
function corrupt(path: string, reason: string): AtollError {
  return new AtollError(
    "DATA_CORRUPT",
    `${path} cannot be used (${reason}): remove it, and start the agent with the join token`,
  );
}
