import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { createRaftCore } from "../../../server/raft/core/raft.ts";
import type { createReplicaOver } from "../../../server/raft/replica/replica.ts";
import type { CreateReplica } from "../server.ts";
import type { Mutant } from "./mutants.ts";

const root = join(import.meta.dirname, "../../..");
const copies = join(root, "tests/sim/.mutants");
const folders = ["core", "replica"];

/** Writes the mutant's copy of core and replica and loads it. Throws when a snippet is not found exactly once. */
export async function loadMutant(mutant: Mutant): Promise<CreateReplica> {
  const directory = join(copies, mutant.name.replaceAll(/[^a-z]+/g, "-"));
  rmSync(directory, { recursive: true, force: true });
  const texts = readSources();
  for (const { file, find, replace } of mutant.patches) {
    const text = texts.get(file);
    const found = text === undefined ? 0 : text.split(find).length - 1;
    if (text === undefined || found !== 1) {
      throw new Error(`mutant "${mutant.name}": expected once, found ${found} times in server/raft/${file}: ${find}`);
    }
    texts.set(
      file,
      text.replace(find, () => replace),
    );
  }
  for (const folder of folders) mkdirSync(join(directory, folder), { recursive: true });
  for (const [file, text] of texts) writeFileSync(join(directory, file), text);
  return await load(directory);
}

/** By path below `server/raft`; what is imported from `lib` is reached from the copy's place. */
function readSources(): Map<string, string> {
  const texts = new Map<string, string>();
  for (const folder of folders) {
    for (const name of readdirSync(join(root, "server/raft", folder))) {
      if (!name.endsWith(".ts")) continue;
      const text = readFileSync(join(root, "server/raft", folder, name), "utf8");
      texts.set(`${folder}/${name}`, text.replaceAll('"../../../lib/', '"../../../../../lib/'));
    }
  }
  return texts;
}

interface CoreModule {
  readonly createRaftCore: typeof createRaftCore;
}

interface ReplicaModule {
  readonly createReplicaOver: typeof createReplicaOver;
}

async function load(directory: string): Promise<CreateReplica> {
  const core: CoreModule = await import(join(directory, "core/raft.ts"));
  const replica: ReplicaModule = await import(join(directory, "replica/replica.ts"));
  return (options) => {
    const { core: config, stored, random } = options;
    return replica.createReplicaOver(core.createRaftCore({ config, stored, random }), options);
  };
}
