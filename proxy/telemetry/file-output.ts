import { close, fstat, open, stat, write } from "node:fs";
import type { Clock, Timer } from "../../lib/base/clock.ts";
import { systemErrorCode } from "../../lib/base/errors.ts";
import type { LogOutput } from "./outputs.ts";

const standardFds: Readonly<Record<string, number>> = { stdout: 1, stderr: 2 };
/** A pipe that is full and does not block is tried again after this. */
const retryMs = 20;

/** Appends to a file or a standard stream; every write is done by the system's threads, so a slow disk holds nothing else up. */
export class FileOutput implements LogOutput {
  readonly #path: string;
  readonly #clock: Clock;
  #fd: number | undefined;
  #isLooking = false;
  #isStale = false;
  #isClosed = false;
  #isWriting = false;
  #retry: Timer | undefined;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#fd = standardFds[path];
  }

  write(text: string, onDone: (error: Error | undefined) => void): void {
    this.#isWriting = true;
    const done = (error: Error | undefined): void => {
      this.#isWriting = false;
      if (this.#isClosed) this.#closeFile();
      onDone(error);
    };
    const bytes = Buffer.from(text, "utf8");
    if (this.#isStale) this.#closeFile();
    if (this.#fd !== undefined) {
      this.#writeFrom(this.#fd, bytes, 0, done);
      return;
    }
    open(this.#path, "a", 0o600, (error, fd) => {
      if (error !== null) {
        done(error);
        return;
      }
      this.#fd = fd;
      this.#writeFrom(fd, bytes, 0, done);
    });
  }

  refresh(): void {
    const fd = this.#fd;
    if (fd === undefined || fd <= 2 || this.#isLooking) return;
    this.#isLooking = true;
    fstat(fd, (_, opened) => {
      stat(this.#path, (_, named) => {
        this.#isLooking = false;
        // Types say that both are there; without the file there is none.
        if (opened?.ino !== named?.ino || opened?.dev !== named?.dev) this.#isStale = this.#fd === fd;
      });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    if (!this.#isWriting) this.#closeFile();
  }

  #writeFrom(fd: number, bytes: Buffer, from: number, done: (error: Error | undefined) => void): void {
    write(fd, bytes, from, bytes.length - from, null, (error, written) => {
      const end = from + (error === null ? written : 0);
      if (error !== null && systemErrorCode(error) !== "EAGAIN") done(error);
      else if (end >= bytes.length) done(undefined);
      else if (error === null) this.#writeFrom(fd, bytes, end, done);
      else this.#retry = this.#clock.after(retryMs, () => this.#writeFrom(fd, bytes, end, done));
    });
  }

  #closeFile(): void {
    const fd = this.#fd;
    this.#isStale = false;
    if (fd === undefined || fd <= 2) return;
    this.#fd = undefined;
    close(fd, () => undefined);
  }
}
