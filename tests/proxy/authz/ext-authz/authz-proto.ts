import { join } from "node:path";
import protobuf from "protobufjs";

/** Envoy's messages as protobufjs reads and writes them: a second opinion on ours. */
const root = protobuf.loadSync(join(import.meta.dir, "..", "..", "..", "judges", "ext-authz.proto"));
export const checkRequestType = root.lookupType("envoy.service.auth.v3.CheckRequest");
export const checkResponseType = root.lookupType("envoy.service.auth.v3.CheckResponse");

/** Plain objects, with numbers of 64 bits as numbers, and nothing that was not said. */
export function decodedRequest(bytes: Uint8Array): Record<string, unknown> {
  return checkRequestType.toObject(checkRequestType.decode(bytes), { longs: Number, bytes: String });
}

export function encodedResponse(response: object): Buffer {
  return Buffer.from(checkResponseType.encode(checkResponseType.fromObject(response)).finish());
}
