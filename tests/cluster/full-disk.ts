import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Why a small disk cannot be had here; empty when it can. */
export function whyNoSmallDisk(): string {
  if (process.platform !== "linux") return "skipped: needs tmpfs";
  if (process.getuid?.() !== 0) return "skipped: only root can mount a small tmpfs";
  return Bun.which("mount") === null ? "skipped: no mount program on this machine" : "";
}

/** A tmpfs of its own at a directory, which can be filled up and emptied again. */
export class SmallDisk implements Disposable {
  readonly path: string;

  constructor(path: string, sizeMb: number) {
    this.path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    mustRun(["mount", "-t", "tmpfs", "-o", `size=${sizeMb}m,mode=0700`, "tmpfs", path]);
  }

  /** Takes all the room that is left. */
  fill(): void {
    const block = Buffer.alloc(64 * 1024);
    for (let number = 0; number < 100_000; number++) {
      try {
        writeFileSync(join(this.path, `ballast-${number}`), block);
      } catch {
        return;
      }
    }
  }

  empty(): void {
    for (const name of readdirSync(this.path)) if (name.startsWith("ballast-")) rmSync(join(this.path, name));
  }

  /** Also while a program still has files open on it. */
  [Symbol.dispose](): void {
    Bun.spawnSync(["umount", "-l", this.path]);
  }
}

function mustRun(command: readonly string[]): void {
  const result = Bun.spawnSync([...command], { stderr: "pipe" });
  if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr.toString()}`);
}
