import { createSeededRandom } from "../../lib/base/random.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import type { CommandIo } from "../../cli/command.ts";

/** A {@link CommandIo} that keeps what is written and never gets a signal. */
export function createFakeIo(): CommandIo & { readonly out: () => string; readonly err: () => string } {
  let out = "";
  let err = "";
  return {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    env: {},
    program: "atoll",
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
