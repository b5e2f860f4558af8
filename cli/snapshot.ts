import { readFile } from "node:fs/promises";
import { replaceFile } from "../lib/base/durable-file.ts";
import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { readArchive, type Snapshot } from "../server/snapshot/archive.ts";
import type { CliCommand } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { httpFlags, openHttpApi } from "./http-api.ts";
import { commandGroup, type Subcommand } from "./subcommands.ts";
import { formatTable } from "./table.ts";

const save: Subcommand = {
  summary: "Write the state of the servers to a file.",
  usage: formatUsage({
    synopsis: "atoll snapshot save [options] <file>",
    description:
      "Writes the whole state of the servers, as of one moment, to a file that only its owner can read: it holds the private key of the certificate authority. The file is verified before it replaces anything.",
    flags: httpFlags,
    examples: ["atoll snapshot save backup.snap"],
  }),
  async run(args, io) {
    const { flags, positionals } = parseFlags({ args, flags: httpFlags, maxPositionals: 1 });
    const path = mustFile(positionals);
    const api = openHttpApi({ flags, env: io.env });
    const content = await api.call({ method: "GET", path: "/v1/snapshot" });
    const { meta } = await readArchive(content);
    try {
      await replaceFile({ path, content, mode: 0o600, isDurable: true });
    } catch (thrown) {
      throw new AtollError("INTERNAL", `cannot write ${path}: ${errorMessage(thrown)}`, { cause: thrown });
    }
    io.stdout(`Saved and verified snapshot to index ${meta.index}\n`);
    return 0;
  },
};

const restore: Subcommand = {
  summary: "Replace the state of the servers by a file's.",
  usage: formatUsage({
    synopsis: "atoll snapshot restore [options] <file>",
    description:
      "Replaces the whole state of all servers by that of a snapshot. The cluster keeps its own certificate authority. A file that is damaged changes nothing.",
    flags: httpFlags,
    examples: ["atoll snapshot restore backup.snap"],
  }),
  async run(args, io) {
    const { flags, positionals } = parseFlags({ args, flags: httpFlags, maxPositionals: 1 });
    const path = mustFile(positionals);
    const body = await readBytes(path);
    // Said here already, with the file's name, rather than by a server that got 100 MB for nothing.
    await readArchive(body);
    const api = openHttpApi({ flags, env: io.env });
    await api.call({ method: "PUT", path: "/v1/snapshot", body });
    io.stdout("Restored snapshot\n");
    return 0;
  },
};

const inspect: Subcommand = {
  summary: "Verify a file and say what it holds.",
  usage: formatUsage({
    synopsis: "atoll snapshot inspect <file>",
    description: "Verifies a snapshot and prints where it comes from and what is in it.",
    flags: {},
    examples: ["atoll snapshot inspect backup.snap"],
  }),
  async run(args, io) {
    const { positionals } = parseFlags({ args, flags: {}, maxPositionals: 1 });
    const bytes = await readBytes(mustFile(positionals));
    io.stdout(describe(await readArchive(bytes), bytes.length));
    return 0;
  },
};

/** `atoll snapshot`: backups of the servers. */
export const snapshotCommand: CliCommand = commandGroup({
  name: "atoll snapshot",
  description: "Saves, restores and looks at the state of the servers.",
  commands: new Map([
    ["save", save],
    ["restore", restore],
    ["inspect", inspect],
  ]),
});

function describe({ meta, rows }: Snapshot, sizeBytes: number): string {
  const tables = new Map<string, { count: number; sizeBytes: number }>();
  for (const row of rows) {
    const table = tables.get(row.table) ?? { count: 0, sizeBytes: 0 };
    tables.set(row.table, { count: table.count + 1, sizeBytes: table.sizeBytes + JSON.stringify(row).length });
  }
  const facts = formatTable([
    ["Cluster", meta.clusterId],
    ["Datacenter", meta.datacenter],
    ["Created", meta.createdAt],
    ["Size", String(sizeBytes)],
    ["Index", String(meta.index)],
    ["Term", String(meta.term)],
    ["Version", String(meta.formatVersion)],
  ]);
  const contents = formatTable([
    ["Type", "Count", "Size"],
    ...[...tables].map(([name, { count, sizeBytes: bytes }]) => [name, String(count), String(bytes)]),
  ]);
  return `${facts}\n${contents}`;
}

function mustFile(positionals: readonly string[]): string {
  const [path = ""] = positionals;
  if (path === "") throw new AtollError("INVALID_ARGUMENT", "name the snapshot's file");
  return path;
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (thrown) {
    throw new AtollError("INVALID_ARGUMENT", `cannot read ${path}: ${errorMessage(thrown)}`, { cause: thrown });
  }
}
