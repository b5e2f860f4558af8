import { type FileHandle, mkdir, open, readdir, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { AuditSink } from "./audit-settings.ts";

/**
 * The files of one sink: appended to, exchanged for a new one by size and age, the oldest removed. Each is named by the
 * nanoseconds of its begin, as Consul names them. A process goes on with the newest one that its predecessor left.
 */
export interface AuditFile {
  /** `text` ends with a line feed. Rejects when it may not be in a file as a whole; the next call tries anew. */
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

interface Current {
  readonly file: FileHandle;
  readonly startedMs: number;
  sizeBytes: number;
}

/** Calls of `append` and `close` do not overlap: the caller waits for one before the next. */
export function createAuditFile(sink: AuditSink, clock: Pick<Clock, "nowMs">): AuditFile {
  const directory = dirname(sink.path);
  const extension = extname(sink.path);
  const stem = basename(sink.path, extension);
  let current: Current | undefined;
  let lastStampNs = 0n;

  const stampOf = (name: string): bigint | undefined => {
    if (!name.startsWith(`${stem}-`) || !name.endsWith(extension)) return undefined;
    const stamp = name.slice(stem.length + 1, name.length - extension.length);
    return /^\d{1,20}$/.test(stamp) ? BigInt(stamp) : undefined;
  };
  const stamps = async (): Promise<bigint[]> =>
    (await readdir(directory)).flatMap((name) => stampOf(name) ?? []).toSorted((a, b) => (a < b ? -1 : 1));
  const pathOf = (stampNs: bigint): string => join(directory, `${stem}-${stampNs}${extension}`);

  const openFile = async (stampNs: bigint): Promise<Current> => {
    const file = await open(pathOf(stampNs), "a+", sink.mode);
    try {
      const { size } = await file.stat();
      const opened: Current = { file, startedMs: Number(stampNs / 1_000_000n), sizeBytes: size };
      // A line that was broken off must not swallow the next one.
      if (size > 0 && !(await endsWithLine(file, size))) opened.sizeBytes += (await file.write("\n")).bytesWritten;
      return opened;
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  };
  const isFull = ({ sizeBytes, startedMs }: Pick<Current, "sizeBytes" | "startedMs">, addedBytes: number): boolean => {
    if (sink.rotateDurationMs > 0 && clock.nowMs() - startedMs >= sink.rotateDurationMs) return true;
    return sink.rotateBytes > 0 && sizeBytes > 0 && sizeBytes + addedBytes > sink.rotateBytes;
  };
  const begin = async (): Promise<Current> => {
    const nowNs = BigInt(Math.floor(clock.nowMs())) * 1_000_000n;
    lastStampNs = nowNs > lastStampNs ? nowNs : lastStampNs + 1n;
    const begun = await openFile(lastStampNs);
    await removeOldest();
    return begun;
  };
  const removeOldest = async (): Promise<void> => {
    if (sink.rotateMaxFiles === 0) return;
    const older = (await stamps()).filter((stampNs) => stampNs < lastStampNs);
    for (const stampNs of older.slice(0, Math.max(0, older.length - sink.rotateMaxFiles))) {
      await rm(pathOf(stampNs), { force: true });
    }
  };
  const resume = async (addedBytes: number): Promise<Current> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const newest = (await stamps()).at(-1);
    if (newest === undefined) return begin();
    lastStampNs = newest;
    const opened = await openFile(newest);
    if (!isFull(opened, addedBytes)) return opened;
    await opened.file.close();
    return begin();
  };
  const drop = async (): Promise<void> => {
    const dropped = current;
    current = undefined;
    await dropped?.file.close();
  };

  return {
    async append(text) {
      const bytes = Buffer.from(text);
      if (current !== undefined && isFull(current, bytes.length)) {
        await drop();
        current = await begin();
      }
      current ??= await resume(bytes.length);
      try {
        await current.file.appendFile(bytes);
        current.sizeBytes += bytes.length;
      } catch (thrown) {
        // Nobody knows how much of it was written: the file is looked at again before the next line.
        await drop().catch(() => undefined);
        throw thrown;
      }
    },
    close: drop,
  };
}

async function endsWithLine(file: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] === 0x0a;
}
