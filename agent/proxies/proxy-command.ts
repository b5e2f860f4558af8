import { createHash } from "node:crypto";

/** How a proxy process is started, and how it is known again by its arguments after the agent was replaced. */
export interface ProxyCommandLine {
  readonly socketPath: string;
  readonly proxyId: string;
  /** The proxy ends with its agent instead of outliving it. */
  readonly exitWithAgent: boolean;
}

/** The arguments after the program itself. */
export function proxyArguments(options: ProxyCommandLine): string[] {
  const args = ["proxy", "--agent-socket", options.socketPath, "--id", options.proxyId];
  return options.exitWithAgent ? [...args, "--exit-with-agent"] : args;
}

/** The id of the proxy that serves the agent at `socketPath`, when `commandLine` is one. */
export function proxyIdOf(commandLine: readonly string[], socketPath: string): string | undefined {
  const start = commandLine.indexOf("proxy");
  const [, socketFlag, socket, idFlag, id] = start === -1 ? [] : commandLine.slice(start);
  return socketFlag === "--agent-socket" && socket === socketPath && idFlag === "--id" ? id : undefined;
}

/** A name for the proxy's directory: readable, one path segment whatever the id holds, and different for different ids. */
export function proxyDirName(proxyId: string): string {
  const encoded = proxyId.replace(/[^A-Za-z0-9_-]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  );
  if (encoded.length <= 120) return encoded;
  return `${encoded.slice(0, 80)}~${createHash("sha256").update(proxyId).digest("hex").slice(0, 32)}`;
}
