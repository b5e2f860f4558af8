import { speaksHttp2 } from "../judges/speaks-http2.ts";
import { runContest, type Scenario, type Target, measureLoad } from "./contest.ts";
import { type H2loadOptions, runH2load } from "./h2load.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, local, smallAnswer, startNginxBackend } from "./pairs.ts";

const shapes = [
  { connections: 16, streams: 1 },
  { connections: 16, streams: 10 },
] as const;
const pairWarmUpSeconds = 8;
const warmUpSeconds = 1;
const measuredSeconds = 4;

/** HTTP/2 all the way: h2load -> outbound -> mTLS -> inbound -> nginx, 100 bytes. */
export async function benchProxyHttp2(): Promise<void> {
  await runContest({
    bench: "proxy-http2",
    basePort: 27_600,
    rounds: 5,
    pairs: [atollPair("http2"), haproxyPair("http2")],
    facts: { atoll_speaks_http2: await speaksHttp2("http2") },
    warmUp: warmUpWith({ path: "/" }),
    scenarios: shapes.map((shape) => h2loadScenario(shape, { path: "/" })),
    startBackend: (workspace, port) =>
      startNginxBackend(workspace, port, [
        ` http2_max_concurrent_streams 1024; server { listen ${local(port)} http2 backlog=4096;`,
        `  location / { default_type text/plain; return 200 "${smallAnswer}"; } }`,
      ]),
  });
}

/** For `Contest.warmUp`. */
export function warmUpWith(request: Pick<H2loadOptions, "path" | "bodyFile" | "headers">) {
  return async ({ ports }: Target): Promise<void> => {
    const load = { port: ports.listen, connections: 16, streams: 10 };
    await runH2load({ ...load, ...request, seconds: pairWarmUpSeconds });
  };
}

/** CPU per request under h2load; a second's warm-up goes before it. */
export function h2loadScenario(
  shape: { readonly connections: number; readonly streams: number },
  request: Pick<H2loadOptions, "path" | "bodyFile" | "headers">,
  labels: Readonly<Record<string, string>> = {},
): Scenario {
  return {
    labels: { ...labels, ...shape },
    compared: "cpu_us_per_request",
    async run(target) {
      const load = { port: target.ports.listen, ...shape, ...request };
      await runH2load({ ...load, seconds: warmUpSeconds });
      return measureLoad(target, () => runH2load({ ...load, seconds: measuredSeconds }));
    },
  };
}
