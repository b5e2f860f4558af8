import type { Clock } from "../../lib/base/clock.ts";
import { FileOutput } from "./file-output.ts";
import type { TelemetryOutputs } from "./outputs.ts";

/** The files and the network of this machine. */
export function systemOutputs(clock: Clock): TelemetryOutputs {
  return {
    openLog: (path) => new FileOutput(path, clock),
    async post(url, body, timeoutMs) {
      const timeout = new AbortController();
      const timer = clock.after(timeoutMs, () => timeout.abort());
      try {
        const headers = { "content-type": "application/json" };
        const answer = await fetch(url, { method: "POST", headers, body, signal: timeout.signal, redirect: "manual" });
        // Read to its end, or the connection could not be used again.
        await answer.arrayBuffer();
        return answer.status;
      } finally {
        timer.cancel();
      }
    },
  };
}
