import { rename, writeFile } from "node:fs/promises";

/**
 * Writes a file that only its owner can read, so that a reader sees the old content or the new and never a part. Two
 * writers of one path at the same time are the caller's mistake.
 */
export async function writeFileAtomically(path: string, content: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await writeFile(temporary, content, { mode: 0o600, flush: true });
  await rename(temporary, path);
}
