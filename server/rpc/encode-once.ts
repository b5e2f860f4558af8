import { encodeJson } from "../../lib/client/wire-schemas.ts";

/** Puts each value into words once, however many agents it goes to: all subscribers of a topic get the same object. */
export function createJsonEncoder(): (value: object) => Uint8Array {
  const encoded = new WeakMap<object, Uint8Array>();
  return (value) => {
    const known = encoded.get(value);
    if (known !== undefined) return known;
    const json = encodeJson(value);
    encoded.set(value, json);
    return json;
  };
}
