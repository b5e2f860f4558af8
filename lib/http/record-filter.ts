import { parseFilter } from "../base/filter-expression.ts";
import { fieldsOf, type ShapeFields } from "../base/filter-shape.ts";
import { AtollError } from "../contract/error-codes.ts";

/** `?filter` over the records of a route. */
export interface RecordFilter<R> {
  /** Throws Consul's refusal (500) of an expression that cannot be read or has a field that the records have not. */
  apply(records: readonly R[], expression: string): readonly R[];
  check(expression: string): void;
}

/** Expressions that are remembered: programs ask with the same few over and over. */
const maxRemembered = 256;

type Test<R> = (record: R) => boolean;

export function createRecordFilter<R extends object>(shape: ShapeFields): RecordFilter<R> {
  const fields = fieldsOf<R>(shape);
  /** The least recently used one is first. */
  const remembered = new Map<string, Test<R>>();

  const testOf = (expression: string): Test<R> => {
    const test = remembered.get(expression) ?? compile(expression, fields);
    remembered.delete(expression);
    remembered.set(expression, test);
    const [oldest] = remembered.keys();
    if (remembered.size > maxRemembered && oldest !== undefined) remembered.delete(oldest);
    return test;
  };
  return {
    check(expression) {
      if (expression !== "") testOf(expression);
    },
    apply: (records, expression) => (expression === "" ? records : records.filter(testOf(expression))),
  };
}

function compile<R>(expression: string, fields: ReturnType<typeof fieldsOf<R & object>>): Test<R & object> {
  const parsed = parseFilter(expression, fields);
  if (parsed.ok) return parsed.matches;
  const message = `Failed to create boolean expression evaluator: ${parsed.message}`;
  throw new AtollError("INVALID_ARGUMENT", message, { status: 500 });
}
