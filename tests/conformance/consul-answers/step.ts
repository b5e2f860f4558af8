/** One request of a transcript, as curl would send it. */
export interface Step {
  /** `METHOD /path?query`; `<name>` stands for what an earlier step kept. */
  readonly request: string;
  /** Sent as JSON, or as it is when it is text. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Names for values of the answer, each with its place: `{ session: "ID" }`, `{ first: "0.Service.ID" }`. */
  readonly keep?: Readonly<Record<string, string>>;
}

/** Steps that build on each other; every transcript starts on servers where those before it have run. */
export interface Transcript {
  readonly name: string;
  readonly steps: readonly Step[];
}

/** `GET /v1/...` and its kin, short enough that a transcript is a table. */
export function ask(request: string, more: Omit<Step, "request"> = {}): Step {
  return { request, ...more };
}

export function put(path: string, body?: unknown, more: Omit<Step, "request" | "body"> = {}): Step {
  return { request: `PUT ${path}`, ...(body !== undefined && { body }), ...more };
}

export function get(...paths: readonly string[]): Step[] {
  return paths.map((path) => ({ request: `GET ${path}` }));
}

export function remove(...paths: readonly string[]): Step[] {
  return paths.map((path) => ({ request: `DELETE ${path}` }));
}
