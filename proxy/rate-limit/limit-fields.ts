import type { RouteEffects } from "../exchange/policy.ts";
import { FieldEdit } from "../message/field-edit.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { LimitKind } from "../telemetry/rate-limit-counters.ts";
import type { TokenBucket } from "./token-bucket.ts";

/** How responses tell of limits: Envoy's DRAFT_VERSION_03, or draft-ietf-httpapi-ratelimit-headers-10. */
export type FieldStyle = "x-ratelimit" | "ratelimit";

/** A year: who waits longer waits for new settings, and no reader falls over the number. */
const longestSeconds = 31_536_000;

/** Rounded up, as fields say spans of time. */
export function wholeSeconds(ms: number): number {
  return Math.min(longestSeconds, Math.ceil(ms / 1_000));
}

export interface NearestLimit {
  readonly bucket: TokenBucket;
  readonly kind: LimitKind;
}

/**
 * Names and values, alternating: how much there is, how much is left and in how many seconds all of it is there again. A bucket has no
 * window, so the policy's is the time in which it fills.
 */
export function limitFields(style: FieldStyle, { bucket, kind }: NearestLimit): string[] {
  const { burst, perSecond } = bucket.rate;
  const left = bucket.remaining;
  const resetSeconds = wholeSeconds(bucket.fullMs);
  if (style === "x-ratelimit") {
    return [
      "x-ratelimit-limit",
      `${burst}`,
      "x-ratelimit-remaining",
      `${left}`,
      "x-ratelimit-reset",
      `${resetSeconds}`,
    ];
  }
  const windowSeconds = Math.max(1, wholeSeconds((burst * 1_000) / perSecond));
  return [
    ...["ratelimit-policy", `"${kind}";q=${burst};w=${windowSeconds}`],
    ...["ratelimit", `"${kind}";r=${left};t=${resetSeconds}`],
  ];
}

/** Adds fields to the response of one request, after what its route does to it. */
export class LimitFields implements RouteEffects {
  readonly name: string;
  readonly #route: RouteEffects | undefined;
  readonly #fields: readonly string[];

  constructor(route: RouteEffects | undefined, fields: readonly string[]) {
    this.name = route?.name ?? "";
    this.#route = route;
    this.#fields = fields;
  }

  editResponse(head: ResponseHead): ResponseHead {
    const edit = new FieldEdit((this.#route?.editResponse(head) ?? head).block);
    for (let i = 0; i < this.#fields.length; i += 2) edit.replace(this.#fields[i] ?? "", this.#fields[i + 1] ?? "");
    return edit.response();
  }
}
