import type { ServerProcess } from "./server-process.ts";

export interface Voter {
  readonly id: string;
  readonly address: string;
}

/** The voters of the cluster as a server knows them. */
export async function votersOf(server: ServerProcess): Promise<Voter[]> {
  const answer = await server.api("GET", "operator/raft/configuration");
  const servers: unknown = isRecord(answer) ? answer["Servers"] : undefined;
  if (!Array.isArray(servers)) throw new Error(`no Servers in ${JSON.stringify(answer)}`);
  return servers.flatMap((one: unknown): Voter[] => {
    if (!isRecord(one) || one["Voter"] !== true) return [];
    return [{ id: String(one["ID"]), address: String(one["Address"]) }];
  });
}

export async function removePeer(server: ServerProcess, id: string): Promise<void> {
  await server.api("DELETE", `operator/raft/peer?id=${id}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
