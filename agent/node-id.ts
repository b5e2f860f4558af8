import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../lib/base/durable-file.ts";
import { systemErrorCode } from "../lib/base/errors.ts";
import type { Random } from "../lib/base/random.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/**
 * The node's UUID, made once and kept in `<data-dir>/node-id`, so that a node that changes its name or address is still
 * the same node. `wanted` is one from the configuration: it is used and kept.
 */
export async function loadNodeId(options: {
  readonly dataDir: string;
  readonly random: Random;
  readonly wanted?: string;
}): Promise<string> {
  const path = join(options.dataDir, "node-id");
  const stored = await readIfPresent(path);
  if (stored !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(stored)) {
    throw new AtollError(
      "DATA_CORRUPT",
      `${path} does not hold a UUID: put the node's ID back, or remove the file to make the node a new one`,
    );
  }
  const nodeId = options.wanted ?? stored ?? options.random.uuid();
  if (nodeId === stored) return nodeId;
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  await replaceFile({ path, content: `${nodeId}\n`, mode: 0o600, isDurable: true });
  return nodeId;
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}
