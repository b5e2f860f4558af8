import { CatalogClient } from "./catalog-client.ts";

const writers = 64;
/** Few, so that a long log comes of a small state. */
const keys = 200;
/** As one in three that fails: then the cluster is not what it should be between faults. */
const maxFailures = 3_000;

/** Writes that nobody judges, as fast as one server takes them, until so many have been acknowledged. */
export async function writeMany(httpPort: number, count: number): Promise<void> {
  const catalog = new CatalogClient(httpPort);
  let acknowledged = 0;
  let failed = 0;
  const write = async (): Promise<void> => {
    while (acknowledged < count) {
      const number = acknowledged + failed;
      const outcome = await catalog.write(`flood-${number % keys}`, String(number));
      if (outcome.kind === "done") acknowledged++;
      else if (++failed > maxFailures) throw new Error(`${failed} of ${number} writes failed`);
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
}
