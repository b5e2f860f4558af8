/** Why a head or a trailer section is no message (RFC 9113 section 8), as a metric label. */
export const messageProblems = [
  "malformed_field",
  "header_list_too_large",
  "bad_pseudo_field",
  "connection_field",
  "bad_te",
  "bad_content_length",
  "duplicate_field",
  "bad_host",
  "bad_target",
  "bad_method",
  "bad_scheme",
  "bad_status",
  "bad_connect",
  "bad_trailers",
] as const;
export type MessageProblem = (typeof messageProblems)[number];
