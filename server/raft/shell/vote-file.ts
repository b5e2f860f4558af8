/**
 * A second copy of term and vote, in two slots that are written in turn, each with a checksum. LevelDB drops the rest of
 * a damaged block of its log without an error, so the newest batches can vanish unseen; this copy keeps a lost tail from
 * becoming a second vote in the same term. Written before the database, synced, only when term or vote change.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { crc32c } from "../../../lib/base/crc32c.ts";
import { errorMessage } from "../../../lib/base/errors.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { NodeId, Term } from "../core/types.ts";
import { isCount, isRecord } from "./disk-layout.ts";

/** Each slot is a block of its own, so that a torn write cannot reach the other one. */
const slotBytes = 4096;
const headerBytes = 8;

export interface Ballot {
  readonly term: Term;
  readonly vote: NodeId;
}

export interface VoteFile {
  /** What was written last; undefined for a file that is new or of which no slot can be read. */
  readonly found: Ballot | undefined;
  write(ballot: Ballot): Promise<void>;
  close(): Promise<void>;
}

/** Opens or makes the file. `nodeId` is part of every slot: a file of another server's is as good as none. */
export async function openVoteFile(options: { readonly path: string; readonly nodeId: NodeId }): Promise<VoteFile> {
  const file = await openFile(options.path);
  try {
    const slots = await Promise.all([readSlot(file, 0, options.nodeId), readSlot(file, 1, options.nodeId)]);
    const newest = slots.reduce((a, b) => ((b?.sequence ?? -1) > (a?.sequence ?? -1) ? b : a));
    let sequence = newest?.sequence ?? 0;
    return {
      found: newest?.ballot,
      async write(ballot) {
        sequence++;
        await writeSlot(file, { sequence, ballot }, options.nodeId);
      },
      close: () => file.close(),
    };
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

interface Slot {
  readonly sequence: number;
  readonly ballot: Ballot;
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (thrown) {
    throw new AtollError("CONFIG_INVALID", `vote file ${path} cannot be used: ${errorMessage(thrown)}`, {
      cause: thrown,
    });
  }
}

async function writeSlot(file: FileHandle, slot: Slot, nodeId: NodeId): Promise<void> {
  const text = Buffer.from(JSON.stringify({ sequence: slot.sequence, nodeId, ...slot.ballot }));
  const block = Buffer.alloc(slotBytes);
  block.writeUInt32BE(crc32c(text), 0);
  block.writeUInt32BE(text.byteLength, 4);
  text.copy(block, headerBytes);
  await file.write(block, 0, slotBytes, (slot.sequence % 2) * slotBytes);
  await file.datasync();
}

async function readSlot(file: FileHandle, number: number, nodeId: NodeId): Promise<Slot | undefined> {
  const block = Buffer.alloc(slotBytes);
  const { bytesRead } = await file.read(block, 0, slotBytes, number * slotBytes);
  if (bytesRead < headerBytes) return undefined;
  const text = block.subarray(headerBytes, headerBytes + Math.min(block.readUInt32BE(4), slotBytes - headerBytes));
  if (text.byteLength === 0 || crc32c(text) !== block.readUInt32BE(0)) return undefined;
  const value: unknown = JSON.parse(text.toString());
  if (!isRecord(value) || value["nodeId"] !== nodeId) return undefined;
  const { sequence, term, vote } = value;
  if (!isCount(sequence) || !isCount(term) || typeof vote !== "string") return undefined;
  return { sequence, ballot: { term, vote } };
}
