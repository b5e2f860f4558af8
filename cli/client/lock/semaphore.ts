import { hostname } from "node:os";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { KvEntry } from "../../kv-client.ts";
import {
  change,
  type Holding,
  type HoldingOptions,
  lockName,
  readEntries,
  type WaitFor,
  waitUntil,
} from "./holding.ts";

/** What Consul's Go client marks the keys of a semaphore with. */
const semaphoreFlags = "16210313421097356768";
/** Others may change the document at the same time; who is named there without an entry is passed over anyhow. */
const maxReleases = 100;

/** The document at `<prefix>/.lock`. */
interface Slots {
  readonly limit: number;
  readonly holders: ReadonlySet<string>;
}

/**
 * For as many holders as `limit` says. Each contender has an entry below the prefix that is its session's and ends with it;
 * the document names those who hold a slot and is changed by compare-and-set only. Who is named there and has no entry
 * is gone, and its slot free.
 */
export function createSemaphore(options: HoldingOptions & { readonly limit: number }): Holding {
  const { api, prefix, session, limit } = options;
  const key = `${prefix}/${lockName}`;
  const contender = `${prefix}/${session}`;
  const read = async (wait: WaitFor, signal: AbortSignal | undefined) => {
    const given = { key: `${prefix}/`, isRecursive: true, wait, ...(signal !== undefined && { signal }) } as const;
    const { entries, index } = await readEntries(api, given);
    const entry = entries.find((one) => one.Key === key);
    const alive = new Set(entries.map((one) => one.Session));
    const { limit: agreed, holders } = readSlots(entry, limit);
    return { entry, index, agreed, holders: new Set([...holders].filter((holder) => alive.has(holder))) };
  };
  const write = (entry: KvEntry | undefined, slots: Slots): Promise<boolean> =>
    change(api, key, {
      query: { cas: String(entry?.ModifyIndex ?? 0), flags: semaphoreFlags },
      body: JSON.stringify({
        Limit: slots.limit,
        Holders: Object.fromEntries([...slots.holders].map((id) => [id, true])),
      }),
    });

  return {
    description: `Setting up semaphore (limit ${limit}) at prefix: ${prefix}`,
    async acquire(signal, deadlineMs) {
      const query = { acquire: session, flags: semaphoreFlags };
      if (!(await change(api, contender, { query, body: hostname() }))) {
        throw new AtollError("CONFLICT", `failed to make contender entry: ${contender} is somebody else's`);
      }
      for (let wait: WaitFor; ; ) {
        const { entry, index, agreed, holders } = await read(wait, signal);
        if (agreed !== limit) {
          throw new AtollError("CONFLICT", `semaphore limit conflict (lock: ${agreed}, local: ${limit})`);
        }
        wait = undefined;
        if (holders.size >= limit) wait = waitUntil(index, deadlineMs);
        else if (await write(entry, { limit, holders: holders.add(session) })) return true;
        if (signal.aborted || performance.now() >= deadlineMs) return false;
      }
    },
    async isHeld(wait, signal) {
      const { holders, index } = await read(wait, signal);
      return { isHeld: holders.has(session), index };
    },
    async release() {
      for (let attempt = 0; attempt < maxReleases; attempt++) {
        const { entries } = await readEntries(api, { key });
        const { limit: agreed, holders } = readSlots(entries[0], limit);
        if (!holders.has(session)) break;
        const others = new Set([...holders].filter((holder) => holder !== session));
        if (await write(entries[0], { limit: agreed, holders: others })) break;
      }
      await change(api, contender, { query: {}, isDeletion: true });
    },
    async cleanUp() {
      const { entry, holders } = await read(undefined, undefined);
      if (entry === undefined) return true;
      if (holders.size > 0) return false;
      return await change(api, key, { query: { cas: String(entry.ModifyIndex) }, isDeletion: true });
    },
  };
}

const Document = Compile(
  Type.Object({
    Limit: Type.Integer(),
    Holders: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Boolean()), Type.Null()])),
  }),
);

/** Of no document yet: those of a new one. */
function readSlots(entry: KvEntry | undefined, limit: number): Slots {
  if (entry === undefined) return { limit, holders: new Set() };
  if (entry.Flags !== semaphoreFlags) {
    throw new AtollError("CONFLICT", `Existing key does not match semaphore use: ${entry.Key}`);
  }
  const document: unknown = parse(Buffer.from(entry.Value ?? "", "base64").toString("utf8"));
  if (Document.Check(document)) return { limit: document.Limit, holders: new Set(Object.keys(document.Holders ?? {})) };
  throw new AtollError(
    "CONFLICT",
    `the semaphore's document ${entry.Key} is damaged; delete it when nobody holds a slot`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
