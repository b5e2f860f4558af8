import type { Connection, Transport } from "./transport.ts";

type Schedules = Pick<Transport, "atEndOfTurn" | "atEndOfEvent">;

interface Flushable {
  flush(): void;
}

/** So many turns in a row that had one writer each show that there is nothing to gather. */
const lonelyTurns = 32;
/** Then so many flushes do not wait for the end of the turn, before it is looked at again. */
const eagerFlushes = 256;

const scratchBytes = 64 * 1024;

/**
 * Everything that one turn of the event loop writes leaves at its end: fewer system calls, fuller TLS records. Waiting for
 * that end costs a turn, though, which a proxy with a single busy connection pays for nothing: it flushes after each event.
 */
export class WriteTurn {
  readonly #schedules: Schedules;
  /** Where the parts of one flush are put together; one at a time needs it. */
  #scratch: Buffer | undefined;
  #waiting: Flushable[] = [];
  #lonely = 0;
  #eager = 0;

  constructor(schedules: Schedules) {
    this.#schedules = schedules;
  }

  /** Memory of at least so many bytes, whose content is not defined. */
  lend(bytes: number): Buffer {
    const scratch = this.#scratch;
    this.#scratch = undefined;
    return scratch !== undefined && scratch.length >= bytes
      ? scratch
      : Buffer.allocUnsafeSlow(Math.max(bytes, scratchBytes));
  }

  /** Nobody reads what was lent any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.length === scratchBytes) this.#scratch = buffer;
  }

  /** Calls `flush` once, at the end of this turn or event. */
  add(one: Flushable): void {
    this.#waiting.push(one);
    if (this.#waiting.length > 1) return;
    if (this.#eager > 0) {
      this.#eager--;
      this.#schedules.atEndOfEvent(this.#flushAll);
    } else {
      this.#schedules.atEndOfTurn(this.#flushTurn);
    }
  }

  readonly #flushTurn = (): void => {
    this.#lonely = this.#waiting.length === 1 ? this.#lonely + 1 : 0;
    if (this.#lonely >= lonelyTurns) {
      // One more such turn and it goes on like this.
      this.#lonely = lonelyTurns - 1;
      this.#eager = eagerFlushes;
    }
    this.#flushAll();
  };

  readonly #flushAll = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.flush();
  };
}

/** Beyond this a part leaves at once: copying it together with others would cost more than a system call. */
const maxHeldBytes = 32 * 1024;

/** A range of bytes: a view of them would cost more. */
interface Part {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Nothing written: shared, since most connections are idle. Never pushed to. */
const none: Part[] = [];

/** What one connection has written in this turn. */
export class Outbox implements Flushable {
  /** Times that something has left. */
  flushes = 0;
  readonly #connection: Connection;
  readonly #turn: WriteTurn;
  #parts = none;
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

  /** `bytes[start, end)`, which must not be changed afterwards. */
  write(bytes: Buffer, start = 0, end = bytes.length): void {
    const part = { bytes, start, end };
    if (this.#parts === none) this.#parts = [part];
    else this.#parts.push(part);
    this.#heldBytes += end - start;
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
    if (this.#parts !== none) {
      this.flushes++;
      this.#send(this.#parts);
      this.#parts = none;
      this.#heldBytes = 0;
    }
    if (!this.#endsAfter) return;
    this.#endsAfter = false;
    this.#connection.end();
  }

  #send(parts: readonly Part[]): void {
    const [first] = parts;
    if (first !== undefined && parts.length === 1) {
      this.#connection.write(first.bytes, first.start, first.end);
      return;
    }
    const gathered = this.#turn.lend(this.#heldBytes);
    let length = 0;
    for (const { bytes, start, end } of parts) length += bytes.copy(gathered, length, start, end);
    if (this.#connection.write(gathered, 0, length)) this.#turn.giveBack(gathered);
  }

  #wait(): void {
    if (this.#isAdded) return;
    this.#isAdded = true;
    this.#turn.add(this);
  }
}
