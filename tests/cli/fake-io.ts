import { createSeededRandom } from "../../lib/base/random.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import type { CommandIo } from "../../cli/command.ts";

/** A {@link CommandIo} that keeps what is written, reads `input` and never gets a signal. */
export function createFakeIo(
  input: Uint8Array = new Uint8Array(),
): CommandIo & { readonly out: () => string; readonly err: () => string } {
  let out = "";
  let err = "";
  return {
    stdout: (text) => {
      out += typeof text === "string" ? text : Buffer.from(text).toString("latin1");
    },
    stderr: (text) => {
      err += text;
    },
    stdin: async () => input,
    env: {},
    createRuntime: () => ({
      clock: {
        nowMs: () => 0,
        monotonicMs: () => 0,
        after: () => ({ cancel: () => undefined }),
      },
      random: createSeededRandom(1),
      logger: silentLogger,
    }),
    shutdownSignal: () => new AbortController().signal,
    onHangup: () => ({ close: () => undefined }),
    onReplaceSignal: () => ({ close: () => undefined }),
    out: () => out,
    err: () => err,
  };
}
