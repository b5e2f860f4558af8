import { commands } from "./commands.ts";
import { dispatch } from "./dispatch.ts";
import { createProcessIo } from "./process-io.ts";

/** The entry point of the executable: what the command resolves with is the exit code of the process. */
const code = await dispatch(process.argv.slice(2), commands, createProcessIo());
// The process ends even if something is left open: a command that says it has ended has. Output is flushed first.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
process.exit(code);
