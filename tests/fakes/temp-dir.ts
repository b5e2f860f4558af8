import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new empty directory; the caller disposes of it with everything in it. */
export interface TempDir extends Disposable {
  readonly path: string;
}

export function createTempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), "atoll-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
