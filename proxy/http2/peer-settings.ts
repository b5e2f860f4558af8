import { ErrorCode } from "./error-codes.ts";
import { defaultFrameBytes, defaultWindowBytes, largestFrameBytes, maxWindowBytes, Setting } from "./frame-types.ts";

/** What the peer has told us (RFC 9113 section 6.5.2, RFC 8441 section 3); these values hold until it does. */
export class PeerSettings {
  headerTableBytes = 4096;
  maxConcurrentStreams = Number.POSITIVE_INFINITY;
  initialWindowBytes = defaultWindowBytes;
  maxFrameBytes = defaultFrameBytes;
  maxHeaderListBytes = Number.POSITIVE_INFINITY;
  allowsExtendedConnect = false;
  /** It has told us something. */
  hasSettings = false;

  /** Takes over the six-byte settings in order; returns an error code, 0 for none. Unknown settings are ignored. */
  apply(bytes: Buffer, start: number, end: number, isFromServer: boolean): number {
    this.hasSettings = true;
    for (let at = start; at < end; at += 6) {
      const code = this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2), isFromServer);
      if (code !== ErrorCode.noError) return code;
    }
    return ErrorCode.noError;
  }

  #set(id: number, value: number, isFromServer: boolean): number {
    switch (id) {
      case Setting.headerTableSize:
        this.headerTableBytes = value;
        return ErrorCode.noError;
      case Setting.enablePush:
        return value === 0 || (value === 1 && !isFromServer) ? ErrorCode.noError : ErrorCode.protocolError;
      case Setting.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return ErrorCode.noError;
      case Setting.initialWindowSize:
        this.initialWindowBytes = value;
        return value > maxWindowBytes ? ErrorCode.flowControlError : ErrorCode.noError;
      case Setting.maxFrameSize:
        this.maxFrameBytes = value;
        return value < defaultFrameBytes || value > largestFrameBytes ? ErrorCode.protocolError : ErrorCode.noError;
      case Setting.maxHeaderListSize:
        this.maxHeaderListBytes = value;
        return ErrorCode.noError;
      case Setting.enableConnectProtocol: {
        // Once allowed it may not be taken back.
        const isValid = value === 1 || (value === 0 && !this.allowsExtendedConnect);
        this.allowsExtendedConnect = value === 1;
        return isValid ? ErrorCode.noError : ErrorCode.protocolError;
      }
      default:
        return ErrorCode.noError;
    }
  }
}
