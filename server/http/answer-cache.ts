import { createSharedBody, type SharedBody } from "../../lib/http/shared-body.ts";

/**
 * The last serialised answer of each watched URL, so that one change is serialised (and compressed) once however many watch
 * it. The state returns the same object for as long as its value stands still, so the object itself says whether the bytes
 * still hold.
 */
export interface AnswerCache {
  /** The body for `key` made of `value`: that of last time if it was made of the same object, else what `build` makes. */
  get(key: string, value: unknown, build: () => Buffer): SharedBody;
}

export interface AnswerCacheLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export function createAnswerCache(limits: AnswerCacheLimits): AnswerCache {
  // Insertion order is age: an entry that is used moves to the end, the first one is dropped when space is needed.
  const entries = new Map<string, { readonly value: unknown; readonly body: SharedBody }>();
  let totalBytes = 0;

  const drop = (key: string): void => {
    totalBytes -= entries.get(key)?.body.bytes.length ?? 0;
    entries.delete(key);
  };

  return {
    get(key, value, build) {
      const known = entries.get(key);
      const isCurrent = known !== undefined && isSameValue(known.value, value);
      const body = isCurrent ? known.body : createSharedBody(build());
      drop(key);
      if (body.bytes.length > limits.maxBytes) return body;
      entries.set(key, { value, body });
      totalBytes += body.bytes.length;
      for (const oldest of entries.keys()) {
        if (entries.size <= limits.maxEntries && totalBytes <= limits.maxBytes) break;
        drop(oldest);
      }
      return body;
    },
  };
}

/** Several reads answered as one are a new list each time, of objects that stand still. */
const maxParts = 4;

export function isSameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length || a.length > maxParts) return false;
  return a.every((part, n) => part === b[n]);
}
