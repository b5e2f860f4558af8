/**
 * What becomes of one key of Consul's agent configuration. Keys are written as paths, `ports.http`; a path that ends in `.*`
 * speaks for everything below it that has no line of its own.
 */
export type KeyNote =
  /** Acted on; a sentence on what it does here. */
  | { readonly use: "honoured"; readonly note: string }
  /** Read over; the reason completes "has no effect: ...". */
  | { readonly use: "none"; readonly note: string }
  /** The start is refused, since going on would do what the person did not want. */
  | { readonly use: "refused"; readonly note: string };

export type KeyNotes = Readonly<Record<string, KeyNote>>;

export const does = (note: string): KeyNote => ({ use: "honoured", note });
export const no = (note: string): KeyNote => ({ use: "none", note });
export const refused = (note: string): KeyNote => ({ use: "refused", note });

export const noGossip = "nodes hold leases with the servers, there is no gossip";
export const enterprise = "only Consul Enterprise has it";
export const notYet = "this version does not have it yet";
