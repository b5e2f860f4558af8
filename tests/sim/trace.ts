import { hashText } from "./random.ts";
import { expectThat } from "./violation.ts";

/** Everything that happens in a run, folded into one number: two runs of a seed must come to the same. */
export interface Trace {
  /** `slot` is the server's column, `code` one character. The detail is only asked for when somebody reads the log. */
  note(slot: number, code: string, detail: () => string): void;
  hash(): string;
  events(): number;
}

export interface TraceOptions {
  readonly nowUs: () => number;
  /** Given: prints a line per event, a column per server. */
  readonly print?: (line: string) => void;
}

const columns = 9;
/** The busiest seeds take a twentieth of it. */
const maxEvents = 400_000;

export function createTrace(options: TraceOptions): Trace {
  const { nowUs, print } = options;
  let high = 0x811c9dc5;
  let low = 0x1234567;
  let events = 0;
  return {
    note(slot, code, detail) {
      events += 1;
      expectThat(events <= maxEvents, "bounded work", () => `more than ${maxEvents} events: something feeds itself`);
      high = hashText(code, Math.imul(high ^ nowUs(), 0x01000193) ^ slot);
      // Details hold terms, indexes and contents; sampling them keeps long runs fast and still differs when they do.
      if (print !== undefined || events % 16 === 0) {
        const text = detail();
        if (events % 16 === 0) low = hashText(text, low);
        print?.(line(nowUs(), slot, code, text));
      }
    },
    hash: () => `${high.toString(16).padStart(8, "0")}${low.toString(16).padStart(8, "0")}-${events}`,
    events: () => events,
  };
}

/** What the characters of the column log mean. */
export const legend = [
  "a/A append and its answer   h/H heartbeat and its answer   v/V vote   p/P pre-vote   n snapshot announced   t timeout-now",
  "s batch issued   S stored   i snapshot being installed   I installed   k chunk   m snapshot staged",
  "L leads   C campaigns   F follows   w proposal   r read   ! crash   ^ start   z pause   Z resume   x halt   X gone for good",
  "* network or disk fault   o operator   c client (column 0: the world)",
];

function line(atUs: number, slot: number, code: string, detail: string): string {
  const column = " ".repeat(slot % columns) + code + " ".repeat(columns - 1 - (slot % columns));
  return `${(atUs / 1000).toFixed(3).padStart(11)} |${column}| ${detail}`;
}
