import { readFileSync } from "node:fs";

/**
 * The number of a user or group of this machine, by name or as digits. Undefined for one that is in no list: what a directory
 * service adds to the system's own files is not asked.
 */
export function accountId(kind: "user" | "group", name: string): number | undefined {
  if (/^\d{1,9}$/.test(name)) return Number(name);
  let text: string;
  try {
    text = readFileSync(kind === "user" ? "/etc/passwd" : "/etc/group", "utf8");
  } catch {
    return undefined;
  }
  for (const line of text.split("\n")) {
    const [account, , id = ""] = line.split(":");
    if (account === name && /^\d+$/.test(id)) return Number(id);
  }
  return undefined;
}
