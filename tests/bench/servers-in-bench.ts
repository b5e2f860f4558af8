import { whyNoMultiServer } from "../cluster/multi-server-support.ts";

/** Three, or one (in the figures' `servers`, and said aloud) where the executable refuses more. */
export async function serversInBench(): Promise<number> {
  const reason = await whyNoMultiServer();
  if (reason !== "") console.error(`${reason}: one server of each instead of three`);
  return reason === "" ? 3 : 1;
}
