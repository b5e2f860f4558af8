import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { systemErrorCode } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

/** Linux keeps 108 bytes for the path of a unix socket and macOS 104, the closing zero included. */
const maxSocketPathBytes = 100;

export interface SocketPath {
  readonly path: string;
  /** The path below the data directory was too long, so a short one was made below the temporary directory. */
  readonly isFallback: boolean;
}

export interface SocketPathOptions {
  readonly dataDir: string;
  readonly temporaryDir: string;
  /** Owner of the fallback directory; another owner's directory of the same name is refused. */
  readonly userId: number;
}

/**
 * `<data-dir>/agent.sock`, or a path that always fits and is always the same for the same data directory: a proxy that
 * outlives its agent dials it until the next agent listens there.
 */
export async function chooseSocketPath(options: SocketPathOptions): Promise<SocketPath> {
  const wanted = join(options.dataDir, "agent.sock");
  if (Buffer.byteLength(wanted) <= maxSocketPathBytes) return { path: wanted, isFallback: false };
  const digest = createHash("sha256").update(wanted).digest("hex").slice(0, 16);
  const dir = join(options.temporaryDir, `atoll-${digest}`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const found = await lstat(dir);
  // Anyone may create names in the temporary directory: a link or somebody else's directory would hand them the socket.
  if (!found.isDirectory() || found.uid !== options.userId) {
    throw new AtollError(
      "CONFIG_INVALID",
      `data_dir "${options.dataDir}" is too long for a socket, and "${dir}", used instead, belongs to someone else: choose a shorter data_dir`,
    );
  }
  await chmod(dir, 0o700);
  const path = join(dir, "agent.sock");
  if (Buffer.byteLength(path) > maxSocketPathBytes) {
    throw new AtollError(
      "CONFIG_INVALID",
      `data_dir "${options.dataDir}" and the temporary directory "${options.temporaryDir}" are both too long for a socket (${maxSocketPathBytes} bytes): choose a shorter data_dir`,
    );
  }
  return { path, isFallback: true };
}

/** Removes the socket file that a killed agent left behind; one that answers means that another agent is alive. */
export async function removeStaleSocket(path: string): Promise<void> {
  if (await isAnswering(path)) {
    throw new AtollError(
      "DATA_DIR_LOCKED",
      `another agent is running on this data directory: it answers on "${path}". Stop it, or give this one its own -data-dir`,
    );
  }
  try {
    await unlink(path);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "ENOENT") throw thrown;
  }
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const finish = (isAlive: boolean): void => {
      socket.destroy();
      resolve(isAlive);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}
