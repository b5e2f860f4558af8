import { Type } from "typebox";
import Value from "typebox/value";
import type { World } from "./world.ts";

/** What one call of web came to, as web's caller sees it. */
export type Call =
  | { readonly ok: true; readonly instance: string; readonly caller: string; readonly database: string }
  | { readonly ok: false; readonly status: number; readonly answer: string };

const WebAnswer = Type.Object({ apiStatus: Type.Integer(), apiAnswer: Type.String() });
const ApiAnswer = Type.Object({
  instance: Type.String(),
  caller: Type.Union([Type.String(), Type.Null()]),
  database: Type.String(),
});

const timeoutMs = 8_000;

export function webUrl(world: World): string {
  const { node, appPort } = world.layout.instances.web;
  return `http://${node.address}:${appPort}/`;
}

/** Calls web, which calls api through its sidecar, which calls db through its own. */
export async function callWeb(world: World): Promise<Call> {
  const response = await fetch(webUrl(world), { signal: AbortSignal.timeout(timeoutMs) });
  const web: unknown = await response.json();
  if (!Value.Check(WebAnswer, web)) throw new Error(`web answered something unexpected: ${JSON.stringify(web)}`);
  if (web.apiStatus !== 200) return { ok: false, status: web.apiStatus, answer: web.apiAnswer };
  const api: unknown = JSON.parse(web.apiAnswer);
  if (!Value.Check(ApiAnswer, api)) throw new Error(`api answered something unexpected: ${web.apiAnswer}`);
  return { ok: true, instance: api.instance, caller: api.caller ?? "", database: api.database };
}

/** The two identities of a hop, as the sidecar that received the call puts them into `x-forwarded-client-cert`. */
export function identitiesOf(header: string): { readonly by: string; readonly from: string } {
  const by = /(?:^|;)By=(spiffe:[^;,]+)/.exec(header)?.[1];
  const from = /(?:^|;)URI=(spiffe:[^;,]+)/.exec(header)?.[1];
  if (by === undefined || from === undefined)
    throw new Error(`no two SPIFFE ids in x-forwarded-client-cert: "${header}"`);
  return { by, from };
}
