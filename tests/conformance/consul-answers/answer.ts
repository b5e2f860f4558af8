import type { Step } from "./step.ts";

/** What is compared of an answer: everything but what differs from run to run. */
export interface Answer {
  readonly request: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON with its run's values replaced, or text. */
  readonly body: unknown;
}

/** Compared by value; of the others only Consul's own count. */
const exactHeaders = ["content-type", "allow", "x-cache", "x-consul-reason"];
/** Their values are the run's. */
const runHeaders = new Set(["x-consul-index", "x-consul-lastcontact", "x-consul-contenthash", "age"]);

/** Sends one step after another and keeps what they ask to keep. */
export class Asker {
  readonly #base: string;
  readonly #kept = new Map<string, string>();

  constructor(base: string, kept: Readonly<Record<string, string>> = {}) {
    this.#base = base;
    for (const [name, value] of Object.entries(kept)) this.#kept.set(name, value);
  }

  async ask(step: Step): Promise<Answer> {
    const [method = "", path = ""] = this.#fill(step.request).split(" ");
    const { body } = step;
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`${this.#base}${path}`, {
      method,
      headers: Object.fromEntries(Object.entries(step.headers ?? {}).map(([name, value]) => [name, this.#fill(value)])),
      ...(text !== undefined && { body: this.#fill(text) }),
      signal: AbortSignal.timeout(20_000),
    });
    const answer = await response.text();
    const json = isJson(response) ? (JSON.parse(answer) as unknown) : undefined;
    for (const [name, place] of Object.entries(step.keep ?? {}))
      this.#kept.set(name, valueAt(json, place, `${step.request}: ${answer}`));
    const masks = new Masks(this.#kept);
    return {
      request: step.request,
      status: response.status,
      headers: this.#headers(response.headers),
      body: json === undefined ? masks.text(answer) : masks.value(json, ""),
    };
  }

  #fill(text: string): string {
    return text.replaceAll(/<(\w+)>/g, (_, name: string) => {
      const value = this.#kept.get(name);
      if (value === undefined) throw new Error(`no step has kept '${name}'`);
      return value;
    });
  }

  #headers(headers: Headers): Record<string, string> {
    const compared: Record<string, string> = {};
    for (const [name, value] of headers) {
      if (!exactHeaders.includes(name) && !name.startsWith("x-consul-")) continue;
      compared[name] = runHeaders.has(name) ? "<run>" : value;
    }
    return compared;
  }
}

function isJson(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("application/json") === true;
}

function valueAt(json: unknown, place: string, answer: string): string {
  let value = json;
  for (const key of place.split(".")) value = (value as Record<string, unknown> | undefined)?.[key];
  if (typeof value !== "string" && typeof value !== "number") throw new Error(`nothing at '${place}' in ${answer}`);
  return String(value);
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g;

/** Replaces what is another one in every run; in one answer the same UUID always by the same word. */
class Masks {
  readonly #uuids: Map<string, string>;
  #unknown = 1;

  constructor(kept: ReadonlyMap<string, string>) {
    this.#uuids = new Map([...kept].map(([name, value]) => [value, `<${name}>`]));
  }

  text(text: string): string {
    return text
      .replaceAll(uuid, (found) => {
        const known = this.#uuids.get(found) ?? `<uuid ${this.#unknown++}>`;
        this.#uuids.set(found, known);
        return known;
      })
      .replaceAll(time, (found) => (found.startsWith("0001") ? found : "<time>"))
      .replaceAll(/127\.0\.0\.1:\d{4,5}/g, "127.0.0.1:<port>");
  }

  value(value: unknown, key: string): unknown {
    if (typeof value === "string") {
      if (key === "Hash" || key === "Hash64") return "<hash>";
      if (key.endsWith("PEM") || key.endsWith("Cert")) return "<pem>";
      return this.text(value);
    }
    if (typeof value === "number" && /Index$/.test(key) && key !== "LockIndex") return value === 0 ? 0 : "<index>";
    if (Array.isArray(value)) return value.map((one) => this.value(one, key));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [this.text(name), this.value(one, name)]));
  }
}
