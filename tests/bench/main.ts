import { benchAgents } from "./agents.ts";
import { benchBalanceTimeline } from "./balance-timeline/timeline.ts";
import { benchCatalogRead } from "./catalog-read.ts";
import { benchDns } from "./dns.ts";
import { benchFailover } from "./failover.ts";
import { benchFraming } from "./framing/framing.ts";
import { benchHttp2Codec } from "./http2-codec.ts";
import { benchLostAgents } from "./lost-agents.ts";
import { benchPolicyChanges } from "./policy-changes.ts";
import { benchHttpRead } from "./http-read.ts";
import { benchHttpWrite } from "./http-write.ts";
import { benchProxyBalance } from "./proxy-balance.ts";
import { benchProxyBulk } from "./proxy-bulk.ts";
import { benchProxyConfig } from "./proxy-config.ts";
import { benchProxyFaults } from "./proxy-faults.ts";
import { benchProxyGrpc } from "./proxy-grpc.ts";
import { benchProxyHandshake } from "./proxy-handshake.ts";
import { benchProxyHttp1 } from "./proxy-http1.ts";
import { benchProxyHttp2 } from "./proxy-http2.ts";
import { benchProxyLatency } from "./proxy-latency.ts";
import { benchProxyMemory } from "./proxy-memory.ts";
import { benchProxyPolicy } from "./proxy-policy.ts";
import { benchProxyTcp } from "./proxy-tcp.ts";
import { benchRaftCommit } from "./raft-commit.ts";
import { benchRaftRestart } from "./raft-restart.ts";
import { benchRetryStorm } from "./retry-storm.ts";
import { benchRolling } from "./rolling.ts";
import { benchSoak } from "./soak/soak.ts";
import { benchScale } from "./scale.ts";
import { benchStartup } from "./startup.ts";
import { benchWatchers } from "./watchers.ts";

/**
 * `npm run bench -- NAME [OPTIONS]`: measures side by side with the peers in one run and prints one JSON line per figure. Machines
 * differ and are noisy: the ratios are what counts.
 */
const benches: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  agents: benchAgents,
  "balance-timeline": benchBalanceTimeline,
  "catalog-read": benchCatalogRead,
  dns: benchDns,
  failover: benchFailover,
  faults: benchProxyFaults,
  framing: benchFraming,
  "http-read": benchHttpRead,
  "http-write": benchHttpWrite,
  "http2-codec": benchHttp2Codec,
  "lost-agents": benchLostAgents,
  "policy-changes": benchPolicyChanges,
  "proxy-balance": benchProxyBalance,
  "proxy-bulk": benchProxyBulk,
  "proxy-config": benchProxyConfig,
  "proxy-grpc": benchProxyGrpc,
  "proxy-handshake": benchProxyHandshake,
  "proxy-http1": benchProxyHttp1,
  "proxy-http2": benchProxyHttp2,
  "proxy-latency": benchProxyLatency,
  "proxy-memory": benchProxyMemory,
  "proxy-policy": benchProxyPolicy,
  "proxy-tcp": benchProxyTcp,
  "raft-commit": benchRaftCommit,
  "raft-restart": benchRaftRestart,
  "retry-storm": benchRetryStorm,
  rolling: benchRolling,
  scale: benchScale,
  soak: benchSoak,
  startup: benchStartup,
  watchers: benchWatchers,
};

const [name = "", ...args] = process.argv.slice(2);
const bench = benches[name];
if (bench === undefined) {
  console.error(`usage: npm run bench -- NAME [OPTIONS], with NAME one of: ${Object.keys(benches).join(", ")}`);
  process.exit(1);
}
await bench(args);
process.exit();
