import { Type } from "typebox";
import type { Static } from "typebox";
import type { SchemaIssue } from "./schema-issues.ts";

/** Copies of requests for another cluster, as Envoy's `request_mirror_policies`, Istio's `mirror` and the Gateway API's RequestMirror. */
const closed = { additionalProperties: false } as const;

const Mirror = Type.Object(
  {
    cluster: Type.String({ minLength: 1, maxLength: 255, description: "a cluster of this outbound" }),
    percent: Type.Number({ minimum: 0, maximum: 100, default: 100, description: "of the requests" }),
    disableShadowHostSuffixAppend: Type.Boolean({
      default: false,
      description: "whether the copy's authority stays as it is; else its host gets -shadow behind it, as with Envoy",
    }),
    timeoutMs: Type.Integer({
      minimum: 1,
      maximum: 86_400_000,
      default: 15_000,
      description: "for a copy, to the end of its answer; Envoy's default for a route",
    }),
    maxConcurrent: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 256,
      description: "copies under way; while there are so many, requests are not copied",
    }),
  },
  closed,
);

const maxMirrors = 16;
const description =
  "copies of requests that nobody waits for: their answers are dropped, they are not tried again, and a copy that is over 256 KB behind its request is given up";
export const MirrorsSchema = Type.Array(Mirror, { maxItems: maxMirrors, default: [], description });
export const RouteMirrorsSchema = Type.Array(Mirror, {
  maxItems: maxMirrors,
  description: `${description}; as the outbound's \`mirrors\` when absent`,
});

export type MirrorConfig = Static<typeof Mirror>;

/** Of mirrors at `path` in the document; `clusters` are those that they may name. */
export function mirrorIssues(
  path: string,
  mirrors: readonly MirrorConfig[] | undefined,
  clusters: ReadonlySet<string>,
): SchemaIssue[] {
  return (mirrors ?? []).flatMap(({ cluster }, i) =>
    clusters.has(cluster)
      ? []
      : [{ path: `${path}[${i}].cluster`, message: `must be a cluster of this outbound, found "${cluster}"` }],
  );
}
