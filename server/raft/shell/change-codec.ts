import type { ConfigChange, ConfigStep } from "../core/types.ts";
import { isRecord } from "./disk-layout.ts";

/** A membership change from its JSON text, off the disk or the wire; undefined when it is not one that this program knows. */
export function decodeConfigChange(json: string): ConfigChange | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  if (value["type"] === "leave-joint") return { type: "leave-joint" };
  const { type, steps } = value;
  if (type !== "change" || !Array.isArray(steps)) return undefined;
  const decoded: ConfigStep[] = [];
  for (const step of steps) {
    const known = decodeStep(step);
    if (known === undefined) return undefined;
    decoded.push(known);
  }
  return { type: "change", steps: decoded };
}

function decodeStep(value: unknown): ConfigStep | undefined {
  if (!isRecord(value)) return undefined;
  const { action, node, address } = value;
  if (typeof node !== "string" || node === "") return undefined;
  if (action === "remove") return { action, node };
  if (typeof address !== "string") return undefined;
  if (action === "add-voter" || action === "add-learner" || action === "set-address") return { action, node, address };
  return undefined;
}
