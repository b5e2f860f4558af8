/** The table of configuration keys for tools, which see the programs through cli. */
export { keyTable } from "../agent/config/keys/key-table.ts";
