/** Numbers and names that must not be mixed up. A branded value is made by the function of the same name only. */
declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Position in the replicated log, from 1; 0 means "nothing yet". It is also the `X-Consul-Index` of what it changed. */
export type LogIndex = Branded<number, "LogIndex">;

export function logIndex(value: number): LogIndex {
  return value as LogIndex;
}

/** The UUID of one cluster, made when it is bootstrapped; also the first label of its trust domain. */
export type ClusterId = Branded<string, "ClusterId">;

export function clusterId(value: string): ClusterId {
  return value as ClusterId;
}
