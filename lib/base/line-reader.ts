/**
 * Cuts a stream of bytes into lines ending in `\n`, whatever the chunks are. The line end is not part of the line. Text is
 * decoded once per line, so a character split over two chunks stays whole.
 */
export interface LineReader {
  /** Takes the next chunk, which the caller must not change afterwards. */
  push(chunk: Uint8Array): void;
}

export interface LineReaderOptions {
  /** A line that grows beyond this is not delivered: `onTooLong` is called once and the reader ignores everything after. */
  readonly maxLineBytes: number;
  readonly onLine: (line: string) => void;
  readonly onTooLong: () => void;
}

const lineEnd = 0x0a;

export function createLineReader(options: LineReaderOptions): LineReader {
  let parts: Uint8Array[] = [];
  let sizeBytes = 0;
  let isBroken = false;
  return {
    push(chunk) {
      let start = 0;
      while (!isBroken && start < chunk.length) {
        const end = chunk.indexOf(lineEnd, start);
        const part = chunk.subarray(start, end === -1 ? chunk.length : end);
        sizeBytes += part.length;
        if (sizeBytes > options.maxLineBytes) {
          isBroken = true;
          parts = [];
          options.onTooLong();
          return;
        }
        parts.push(part);
        if (end === -1) return;
        const line = Buffer.concat(parts, sizeBytes).toString("utf8");
        parts = [];
        sizeBytes = 0;
        start = end + 1;
        options.onLine(line);
      }
    },
  };
}
