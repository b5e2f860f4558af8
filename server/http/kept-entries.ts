import { Type } from "typebox";
import type { Static, TObject, TProperties } from "typebox";
import type { ConfigEntry } from "../../lib/contract/config-entries.ts";
import type { KeptKind } from "../../lib/contract/kept-entries.ts";
import { certificateFields, decodeFileCertificate, decodeInlineCertificate } from "./certificate-entries.ts";
import { common, entryBase } from "./entry-fields.ts";
import {
  apiGatewayFields,
  decodeApiGateway,
  decodeExportedServices,
  decodeIngress,
  decodeTerminating,
  exportedServicesFields,
  ingressFields,
  terminatingFields,
} from "./gateway-entries.ts";
import { decodeHttpRoute, decodeTcpRoute, httpRouteFields, tcpRouteFields } from "./route-entries.ts";

/** The kinds that are kept as they are written, each with its schema and what it is checked and completed by. */
interface KeptDecoder {
  readonly schema: TObject;
  /** Of a body that the schema has passed. */
  readonly decode: (body: unknown) => ConfigEntry;
}

function kept<P extends TProperties>(
  kind: KeptKind,
  fields: P,
  decode: (body: Static<TObject<P>>, name: string) => object,
): KeptDecoder {
  const own = Type.Object(fields);
  return {
    schema: Type.Object({ ...common, ...fields }),
    decode(body) {
      const base = entryBase(body as object, nameIn(body));
      // Checked against `schema`, of which `own` is a part.
      const picked = Object.fromEntries(
        Object.entries(body as object).filter(([field]) => Object.hasOwn(own.properties, field)),
      ) as Static<TObject<P>>;
      return { Kind: kind, ...base, Fields: { ...decode(picked, base.Name) } };
    },
  };
}

function nameIn(body: unknown): string {
  const name = typeof body === "object" && body !== null && "Name" in body ? body.Name : "";
  return typeof name === "string" ? name : "";
}

export const keptDecoders: Readonly<Record<KeptKind, KeptDecoder>> = {
  "api-gateway": kept("api-gateway", apiGatewayFields, decodeApiGateway),
  "exported-services": kept("exported-services", exportedServicesFields, decodeExportedServices),
  "file-system-certificate": kept("file-system-certificate", certificateFields, decodeFileCertificate),
  "http-route": kept("http-route", httpRouteFields, decodeHttpRoute),
  "ingress-gateway": kept("ingress-gateway", ingressFields, decodeIngress),
  "inline-certificate": kept("inline-certificate", certificateFields, decodeInlineCertificate),
  "tcp-route": kept("tcp-route", tcpRouteFields, decodeTcpRoute),
  "terminating-gateway": kept("terminating-gateway", terminatingFields, decodeTerminating),
};
