/** Rows as they lie on disk and cross the wire: the value's JSON behind a checksum over table, key and text. */
import { rowKey } from "../../log/data-layout.ts";
import { sealJson, type SealedValue, unseal } from "../../log/sealed-value.ts";
import type { Row } from "../replica/replica-api.ts";

/** The state's hash and the disk both want the text of a row: it is made once, and forgotten with the row. */
const sealed = new WeakMap<Row, SealedValue>();

export function sealRow(row: Row): SealedValue {
  const known = sealed.get(row);
  if (known !== undefined) return known;
  const made = sealJson(rowKey(row.table, row.key), JSON.stringify(row.value));
  sealed.set(row, made);
  return made;
}

/** Undefined when the checksum does not match. */
export function unsealRow(
  name: { readonly table: string; readonly key: string },
  bytes: Uint8Array,
): { readonly row: Row; readonly checksum: number } | undefined {
  const opened = unseal(rowKey(name.table, name.key), bytes);
  if (!opened.ok) return undefined;
  const { checksum } = opened;
  const row = { table: name.table, key: name.key, value: opened.value };
  sealed.set(row, { bytes, checksum });
  return { row, checksum };
}
