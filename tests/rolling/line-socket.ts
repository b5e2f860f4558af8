import { connect, type Socket } from "node:net";

const timeoutMs = 15_000;

/**
 * A TCP connection as a test's client sees it: sends, waits for an answer, and tells a clean end from one that comes in the middle.
 * No retries: whatever goes wrong is a failure.
 */
export class ClientSocket {
  readonly #socket: Socket;
  #received = "";
  #state: "open" | "ended" | "broken" = "open";
  #problem = "";
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#received += chunk.toString("latin1");
      this.#wake();
    });
    socket.on("end", () => {
      if (this.#state === "open") this.#state = "ended";
      this.#wake();
    });
    socket.on("error", (error) => {
      this.#state = "broken";
      this.#problem = error.message;
      this.#wake();
    });
    socket.on("close", () => {
      if (this.#state === "open") this.#state = "broken";
      this.#wake();
    });
  }

  static open(port: number): Promise<ClientSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      const onError = (error: Error): void => reject(new Error(`connect: ${error.message}`));
      socket.once("error", onError);
      socket.once("connect", () => {
        socket.off("error", onError);
        resolve(new ClientSocket(socket));
      });
    });
  }

  /** The other side has closed, cleanly or not: no more requests on this one. */
  get isOver(): boolean {
    return this.#state !== "open";
  }

  send(text: string): void {
    this.#socket.write(text, "latin1");
  }

  /** Waits until what has come satisfies `isComplete`, and takes it. */
  async receive(isComplete: (text: string) => boolean): Promise<string> {
    await this.#until(() => isComplete(this.#received) || this.#state !== "open");
    const text = this.#received;
    if (!isComplete(text)) throw new Error(`${this.#state} after ${text.length} bytes: ${this.#problem}`);
    this.#received = "";
    return text;
  }

  /** Half-closes and waits for the other side to do the same. */
  async finish(): Promise<void> {
    this.#socket.end();
    await this.#until(() => this.#state !== "open");
    if (this.#state === "broken") throw new Error(`broken instead of ended: ${this.#problem}`);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #until(holds: () => boolean): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!holds()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, Math.max(1, endMs - performance.now()));
      await promise;
      clearTimeout(timer);
      if (performance.now() >= endMs) throw new Error("no answer in time");
    }
  }
}
