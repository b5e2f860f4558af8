import type { RequestNormalization, ResolvedMeshConfig } from "../lib/contract/config-entries.ts";
import type { InboundConfig } from "../lib/contract/proxy-config.ts";

/**
 * The `mesh` entry in the words of a proxy's document. The rules hold at both ends of a call, so that a path is not spelt
 * anew by the caller's proxy where the callee's is told to leave it alone. What is not said is the document's default.
 */
export function meshRequestRules(mesh: ResolvedMeshConfig | undefined) {
  if (mesh === undefined) return {};
  const { RequestNormalization: given } = mesh;
  return {
    requestRules: {
      normalise: !given.InsecureDisablePathNormalization,
      mergeSlashes: given.MergeSlashes,
      escapedSlashes: escapedSlashes[given.PathWithEscapedSlashesAction],
      underscores: underscores[given.HeadersWithUnderscoresAction],
    },
  };
}

export function meshClientCert(mesh: ResolvedMeshConfig | undefined) {
  return mesh?.SanitizeXForwardedClientCert === true ? { clientCert: "sanitize" } : {};
}

type Rules = InboundConfig["requestRules"];

const escapedSlashes: Readonly<Record<RequestNormalization["PathWithEscapedSlashesAction"], Rules["escapedSlashes"]>> =
  {
    "": "keep",
    IMPLEMENTATION_SPECIFIC_DEFAULT: "keep",
    KEEP_UNCHANGED: "keep",
    REJECT_REQUEST: "reject",
    UNESCAPE_AND_REDIRECT: "unescape-and-redirect",
    UNESCAPE_AND_FORWARD: "unescape-and-forward",
  };

const underscores: Readonly<Record<RequestNormalization["HeadersWithUnderscoresAction"], Rules["underscores"]>> = {
  "": "allow",
  ALLOW: "allow",
  REJECT_REQUEST: "reject",
  DROP_HEADER: "drop",
};
