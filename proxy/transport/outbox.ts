import type { Connection } from "./transport.ts";

interface Flushable {
  flush(): void;
}

/** Everything that one turn of the event loop writes leaves at its end: fewer system calls, fuller TLS records. */
export class WriteTurn {
  readonly #atEndOfTurn: (callback: () => void) => void;
  #waiting: Flushable[] = [];
  readonly #flushAll = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.flush();
  };

  constructor(atEndOfTurn: (callback: () => void) => void) {
    this.#atEndOfTurn = atEndOfTurn;
  }

  /** Calls `flush` once, at the end of this turn. */
  add(one: Flushable): void {
    if (this.#waiting.length === 0) this.#atEndOfTurn(this.#flushAll);
    this.#waiting.push(one);
  }
}

/** Beyond this a part leaves at once: copying it together with others would cost more than a system call. */
const maxHeldBytes = 32 * 1024;

/** What one connection has written in this turn. */
export class Outbox implements Flushable {
  /** Times that something has left. */
  flushes = 0;
  readonly #connection: Connection;
  readonly #turn: WriteTurn;
  #parts: Uint8Array[] = [];
  #heldBytes = 0;
  #isAdded = false;
  #endsAfter = false;

  constructor(connection: Connection, turn: WriteTurn) {
    this.#connection = connection;
    this.#turn = turn;
  }

  /** The peer does not read as fast as we write: wait for the connection's drain. */
  get isBlocked(): boolean {
    return this.#connection.isBlocked;
  }

  /** `bytes` must not be changed afterwards. */
  write(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= maxHeldBytes) this.flush();
    else this.#wait();
  }

  /** Half-closes the connection behind what was written. */
  end(): void {
    this.#endsAfter = true;
    this.#wait();
  }

  flush(): void {
    this.#isAdded = false;
    const [first] = this.#parts;
    if (first !== undefined) {
      this.flushes++;
      this.#connection.write(this.#parts.length === 1 ? first : Buffer.concat(this.#parts, this.#heldBytes));
      this.#parts = [];
      this.#heldBytes = 0;
    }
    if (!this.#endsAfter) return;
    this.#endsAfter = false;
    this.#connection.end();
  }

  #wait(): void {
    if (this.#isAdded) return;
    this.#isAdded = true;
    this.#turn.add(this);
  }
}
