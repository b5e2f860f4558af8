import type { Random } from "../../lib/base/random.ts";
import { queryParameters } from "../../lib/api/route-reference.ts";
import type { RegisteredRoute } from "../../lib/api/openapi.ts";
import { hostileBody, pick, segment, shaped, text } from "./api-values.ts";

/** One request to a route of the API, made from a seed. */
export interface ApiRequest {
  readonly method: string;
  readonly url: string;
  readonly body?: Buffer;
}

const parameters = Object.keys(queryParameters);
const values: readonly ((random: Random) => string)[] = [
  () => "",
  () => "1",
  () => "true",
  () => "Service.Port > 80",
  () => 'ServiceName == "web" and "a" in ServiceTags',
  () => `${"(".repeat(500)}a`,
  () => `Name matches "${"(a+)+".repeat(50)}"`,
  () => `${"not ".repeat(2_000)}a is empty`,
  text,
];

export function apiRequest(route: RegisteredRoute, random: Random): ApiRequest {
  const path = route.url
    .split("/")
    .map((part) => (part.startsWith(":") || part === "*" ? segment(random) : part))
    .join("/");
  const query = Array.from({ length: Math.floor(random.float() * 4) }, () => {
    const value = pick(random, values)(random);
    return `${pick(random, parameters)}=${value.isWellFormed() ? encodeURIComponent(value) : "%ED%A0%80"}`;
  });
  // Nothing may wait: a wait that was asked for is no hang.
  const url = `${path}?${[...query.filter((one) => !/^(?:index|wait)=/.test(one)), "wait=1ms"].join("&")}`;
  const takesBody = route.method !== "GET" && random.float() < 0.9;
  if (!takesBody) return { method: route.method, url };
  const isShaped = random.float() < 0.75;
  const body = isShaped ? Buffer.from(JSON.stringify(shaped(route.body ?? {}, random)) ?? "") : hostileBody(random);
  return { method: route.method, url, body };
}
