import { parseFilter } from "../base/filter-expression.ts";
import { fieldsOf } from "../base/filter-shape.ts";
import type { ServiceInstance } from "./catalog.ts";
import { instanceFields } from "./filter-shapes.ts";

/**
 * The filter of a subset: an expression over an instance as `/v1/health/service` shows it, `Service` being its sidecar, which has its
 * application's tags and metadata unless its registration says otherwise.
 */
export type InstanceFilter = (instance: ServiceInstance) => boolean;

const fields = fieldsOf<ServiceInstance>(instanceFields);

/** An empty expression takes every instance. What is wrong with another one is in `message`. */
export function parseInstanceFilter(
  text: string,
): { readonly ok: true; readonly matches: InstanceFilter } | { readonly ok: false; readonly message: string } {
  return text.trim() === "" ? { ok: true, matches: () => true } : parseFilter(text, fields);
}
