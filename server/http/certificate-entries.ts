import { createPrivateKey, X509Certificate } from "node:crypto";
import { Type } from "typebox";
import type { Static } from "typebox";
import { refusal, Text } from "./entry-fields.ts";

/** Certificates of the listeners of an `api-gateway`: the PEM text itself, or where its files are. */
export const certificateFields = { Certificate: Text, PrivateKey: Text };
const CertificateBody = Type.Object(certificateFields);

export function decodeInlineCertificate({ Certificate = "", PrivateKey = "" }: Static<typeof CertificateBody>): object {
  const certificate = read(() => new X509Certificate(Certificate), "Certificate is not a PEM-encoded certificate");
  const key = read(() => createPrivateKey(PrivateKey), "PrivateKey is not a PEM-encoded private key");
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < 2_048) throw refusal("PrivateKey: key length must be at least 2048 bits");
  if (!certificate.checkPrivateKey(key)) throw refusal("PrivateKey does not belong to Certificate");
  return { Certificate, PrivateKey };
}

/** The error of the library may hold a part of the key, and is not passed on. */
function read<T>(parse: () => T, message: string): T {
  try {
    return parse();
  } catch {
    throw refusal(message);
  }
}

export function decodeFileCertificate({ Certificate = "", PrivateKey = "" }: Static<typeof CertificateBody>): object {
  if (Certificate === "") throw refusal("Certificate is required: the path of a file with a PEM-encoded certificate");
  if (PrivateKey === "") throw refusal("PrivateKey is required: the path of a file with a PEM-encoded private key");
  return { Certificate, PrivateKey };
}
