import type { Socket } from "node:net";
import type { AgentToProxy, ProxyToAgent } from "../../lib/contract/agent-socket.ts";

/** A proxy that has said hello on the agent's socket. */
export interface ProxyConnection {
  readonly proxyId: string;
  readonly pid: number;
  /** The version of the configuration that the proxy had when it said hello; 0 for none. */
  readonly version: number;
  /** What its executable was built from; undefined when it does not say. */
  readonly revision: string | undefined;
  /** Whether changes of the last document that was sent would reach it: it knows them, and that document does not wait. */
  readonly takesChanges: boolean;
  /**
   * Sends a message. While the proxy is slow in reading only the newest configuration waits for it: an older one that
   * was not sent yet is dropped, so what waits is bounded by one document.
   */
  send(message: AgentToProxy): void;
  close(): void;
}

export function createProxyConnection(
  socket: Socket,
  hello: Extract<ProxyToAgent, { type: "hello" }>,
): ProxyConnection & { flush(): void } {
  const waiting = new Map<AgentToProxy["type"], AgentToProxy>();
  let isFull = false;
  const flush = (): void => {
    isFull = false;
    for (const [type, message] of waiting) {
      if (isFull) return;
      waiting.delete(type);
      isFull = !socket.write(`${JSON.stringify(message)}\n`);
    }
  };
  return {
    proxyId: hello.proxyId,
    pid: hello.pid,
    version: hello.version,
    revision: hello.revision,
    get takesChanges() {
      return hello.takesChanges === true && !isFull;
    },
    flush,
    send(message) {
      if (socket.destroyed) return;
      waiting.set(message.type, message);
      if (!isFull) flush();
    },
    close() {
      socket.destroy();
    },
  };
}
