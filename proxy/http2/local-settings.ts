import { defaultFrameBytes, Setting } from "./frame-types.ts";
import type { Http2Limits } from "./limits.ts";

/** What we announce, as identifiers and values in turn: the limits that the peer can keep by itself. */
export function localSettings(limits: Http2Limits, role: "server" | "client"): number[] {
  const settings = [
    Setting.initialWindowSize,
    limits.streamWindowBytes,
    Setting.maxHeaderListSize,
    limits.maxHeaderListBytes,
  ];
  if (role === "server") {
    settings.push(Setting.maxConcurrentStreams, limits.maxConcurrentStreams, Setting.enableConnectProtocol, 1);
  } else {
    settings.push(Setting.enablePush, 0);
  }
  if (limits.headerTableBytes !== 4096) settings.push(Setting.headerTableSize, limits.headerTableBytes);
  if (limits.maxFrameBytes !== defaultFrameBytes) settings.push(Setting.maxFrameSize, limits.maxFrameBytes);
  return settings;
}
