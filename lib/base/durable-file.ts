import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

export interface FileWrite {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Permission bits, as in 0o600. */
  readonly mode: number;
  /** Whether the content must survive a power cut once the promise resolves; costs two syncs of the disk. */
  readonly isDurable: boolean;
}

/**
 * Replaces a file as a whole: readers see the old content or the new one, never a part. The bytes go to `<path>.tmp`
 * first, so one path must have one writer at a time.
 */
export async function replaceFile(write: FileWrite): Promise<void> {
  const temporary = `${write.path}.tmp`;
  try {
    const file = await open(temporary, "w", write.mode);
    try {
      await file.writeFile(write.content);
      if (write.isDurable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, write.path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (write.isDurable) await syncDirectory(dirname(write.path));
}

/** Removes a file if it is there. Durable once the promise resolves. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** A rename or removal is on disk only when its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
