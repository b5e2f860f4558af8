import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createCertificateRequest } from "../../../lib/x509/certificate-request.ts";
import { generateKey } from "../../../lib/x509/keys.ts";
import { type Authority, type AuthorityOptions, createAuthority } from "../../../server/ca/authority.ts";
import { createRoot } from "../../../server/ca/root.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

/** A fresh authority of datacenter dc1; every call with another seed is another cluster. */
export function createTestAuthority(options: Partial<AuthorityOptions> & { readonly seed?: number } = {}): Authority {
  const runtime = options.runtime ?? createTestRuntime(options.seed === undefined ? {} : { seed: options.seed });
  const roots = [createRoot(runtime)];
  return createAuthority({
    datacenter: "dc1",
    currentIndex: () => 7,
    roots: () => roots,
    ...options,
    runtime,
  });
}

export interface TestRequest {
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly emails?: readonly string[];
  readonly commonName?: string;
  readonly key?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
}

export function createTestRequest(request: TestRequest): string {
  const { privateKey, publicKey } = request.key ?? generateKey();
  return createCertificateRequest({
    commonName: request.commonName ?? "web",
    names: [
      ...(request.uris ?? []).map((value) => ({ type: "uri" as const, value })),
      ...(request.dns ?? []).map((value) => ({ type: "dns" as const, value })),
      ...(request.emails ?? []).map((value) => ({ type: "email" as const, value })),
    ],
    privateKey,
    publicKey,
  });
}

export function serviceUri(authority: Authority, service: string): string {
  return `spiffe://${authority.trustDomain}/ns/default/dc/${authority.datacenter}/svc/${service}`;
}

export const rsaKey = (bits: number) => generateKeyPairSync("rsa", { modulusLength: bits });
