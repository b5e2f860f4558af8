import { messageProblems } from "../message/message-problem.ts";

/** Error codes of RFC 9113 section 7. A peer may send others; they are passed on as the numbers they are. */
export const ErrorCode = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

/** Why a connection was ended by us, as a metric label. */
export const connectionProblems = [
  "bad_preface",
  "frame_size",
  "bad_stream_id",
  "bad_padding",
  "bad_flags",
  "unexpected_frame",
  "unexpected_continuation",
  "push_refused",
  "bad_settings",
  "bad_window_update",
  "flow_control",
  "hpack",
  "closed_stream",
  "header_block_too_large",
  "continuation_flood",
  "reset_flood",
  "provoked_reset_flood",
  "control_flood",
  "window_update_flood",
  "empty_frame_flood",
  "priority_flood",
  "output_overflow",
  "settings_timeout",
  "header_timeout",
] as const;
export type ConnectionProblem = (typeof connectionProblems)[number];

/** Why a stream was reset by us, as a metric label. */
export const streamProblems = [
  ...messageProblems,
  "refused_stream",
  "stream_closed",
  "stream_flow_control",
  "stream_frame",
  "content_length_mismatch",
  "unexpected_data",
  "stalled_window",
] as const;
export type StreamProblem = (typeof streamProblems)[number];
