import { join } from "node:path";

/** The program that runs here and the arguments before those of a command: to start another process of it. */
export function thisProgram(): string[] {
  // Inside a compiled executable the sources are on a virtual file system.
  const isCompiled = import.meta.dirname.startsWith("/$bunfs/") || import.meta.dirname.includes("~BUN");
  return isCompiled ? [process.execPath] : [process.execPath, join(import.meta.dirname, "main.ts")];
}
