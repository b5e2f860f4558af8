import type { CliCommand } from "./command.ts";
import { deleteKey } from "./kv-delete.ts";
import { getKey } from "./kv-get.ts";
import { exportKeys, importKeys } from "./kv-move.ts";
import { putKey } from "./kv-put.ts";
import { commandGroup } from "./subcommands.ts";

/** `atoll kv`: keys and values, with Consul's flags and words. */
export const kvCommand: CliCommand = commandGroup({
  name: "atoll kv",
  description: "Reads and writes keys.",
  commands: new Map([
    ["get", getKey],
    ["put", putKey],
    ["delete", deleteKey],
    ["export", exportKeys],
    ["import", importKeys],
  ]),
});
