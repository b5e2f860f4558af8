/**
 * The part of the tar format (POSIX ustar) that a snapshot needs: plain files with short names, written as they come and
 * read with a bound on everything, since what is read comes from outside.
 */
import { AtollError } from "../../lib/contract/error-codes.ts";

export interface TarFile {
  readonly name: string;
  readonly content: Buffer;
}

const blockBytes = 512;
/** Name, size, mode and so on as they lie in a header block. */
const fields = {
  name: { at: 0, length: 100 },
  mode: { at: 100, length: 8 },
  size: { at: 124, length: 12 },
  mtime: { at: 136, length: 12 },
  checksum: { at: 148, length: 8 },
  type: { at: 156, length: 1 },
  magic: { at: 257, length: 8 },
} as const;
const maxNameChars = 99;

/** The bytes of one file: header, content, padding. */
export function tarEntry(file: TarFile, mtimeMs: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  header.write(file.name, fields.name.at, fields.name.length, "latin1");
  writeOctal(header, fields.mode, 0o600);
  writeOctal(header, { at: 108, length: 8 }, 0);
  writeOctal(header, { at: 116, length: 8 }, 0);
  writeOctal(header, fields.size, file.content.length);
  writeOctal(header, fields.mtime, Math.floor(mtimeMs / 1_000));
  header.write("0", fields.type.at, "latin1");
  header.write("ustar\u000000", fields.magic.at, "latin1");
  header.write(checksumText(header), fields.checksum.at, "latin1");
  const padding = (blockBytes - (file.content.length % blockBytes)) % blockBytes;
  return Buffer.concat([header, file.content, Buffer.alloc(padding)]);
}

/** What ends an archive. */
export const tarEnd: Buffer = Buffer.alloc(2 * blockBytes);

export interface TarLimits {
  readonly maxFileBytes: number;
  readonly maxFiles: number;
}

/** Yields the files in order. Throws `INVALID_ARGUMENT` for anything but a whole archive of plain files. */
export async function* readTar(chunks: AsyncIterable<Buffer>, limits: TarLimits): AsyncIterable<TarFile> {
  const source = createByteSource(chunks);
  for (let files = 0; ; files++) {
    const header = await source.take(blockBytes);
    if (header.every((byte) => byte === 0)) {
      if (!(await source.take(blockBytes)).every((byte) => byte === 0))
        throw damaged("its end is not the end of a tar");
      if (!(await source.isEmpty())) throw damaged("something follows its end");
      return;
    }
    if (files >= limits.maxFiles) throw damaged(`it holds more than ${limits.maxFiles} files`);
    const { name, size } = readHeader(header);
    if (size > limits.maxFileBytes) throw damaged(`its file ${name} is larger than ${limits.maxFileBytes} bytes`);
    const content = await source.take(size);
    await source.take((blockBytes - (size % blockBytes)) % blockBytes);
    yield { name, content };
  }
}

function readHeader(header: Buffer): { readonly name: string; readonly size: number } {
  const stored = text(header, fields.checksum).trim();
  if (stored !== checksumText(header).replace(/[\0 ]+$/, "")) throw damaged("the checksum of a file's header is wrong");
  const name = text(header, fields.name);
  const type = text(header, fields.type);
  if (type !== "0" && type !== "") throw damaged(`it holds ${JSON.stringify(name)}, which is no plain file`);
  const size = text(header, fields.size).trim();
  if (name === "" || name.length > maxNameChars || !/^[0-7]{1,11}$/.test(size))
    throw damaged("a file's header is wrong");
  return { name, size: Number.parseInt(size, 8) };
}

function text(header: Buffer, field: { readonly at: number; readonly length: number }): string {
  const bytes = header.subarray(field.at, field.at + field.length);
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end === -1 ? bytes.length : end);
}

function writeOctal(header: Buffer, field: { readonly at: number; readonly length: number }, value: number): void {
  header.write(value.toString(8).padStart(field.length - 1, "0"), field.at, "latin1");
}

/** The sum of the header's bytes with spaces in place of the sum itself. */
function checksumText(header: Buffer): string {
  let sum = 0;
  for (const [i, byte] of header.entries()) {
    const isChecksum = i >= fields.checksum.at && i < fields.checksum.at + fields.checksum.length;
    sum += isChecksum ? 0x20 : byte;
  }
  return `${sum.toString(8).padStart(6, "0")}\0 `;
}

interface ByteSource {
  /** Exactly that many bytes. */
  take(count: number): Promise<Buffer>;
  /** Whether nothing but zero bytes is left: tools fill an archive up to a multiple of their block size. */
  isEmpty(): Promise<boolean>;
}

function createByteSource(chunks: AsyncIterable<Buffer>): ByteSource {
  const iterator = chunks[Symbol.asyncIterator]();
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  const pull = async (): Promise<boolean> => {
    const next = await iterator.next();
    if (next.done === true) return false;
    pending.push(next.value);
    pendingBytes += next.value.length;
    return true;
  };
  return {
    async take(count) {
      while (pendingBytes < count) if (!(await pull())) throw damaged("it ends too early");
      const joined = pending.length === 1 && pending[0] !== undefined ? pending[0] : Buffer.concat(pending);
      const rest = joined.subarray(count);
      pending = rest.length === 0 ? [] : [rest];
      pendingBytes = rest.length;
      return joined.subarray(0, count);
    },
    async isEmpty() {
      do {
        if (pending.some((chunk) => chunk.some((byte) => byte !== 0))) return false;
        pending = [];
        pendingBytes = 0;
      } while (await pull());
      return true;
    },
  };
}

export function damaged(problem: string): AtollError {
  return new AtollError("INVALID_ARGUMENT", `the snapshot cannot be used: ${problem}; nothing was changed`);
}
