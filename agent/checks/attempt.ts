import type { PeriodicProbe } from "../service-definition.ts";
import type { CheckHost } from "./check-host.ts";
import { probeDocker } from "./docker-probe.ts";
import { probeGrpc } from "./grpc-probe.ts";
import { probeH2Ping } from "./h2-ping-probe.ts";
import { probeHttp } from "./http-probe.ts";
import { probeOsService } from "./os-service-probe.ts";
import type { ProbeLimits, ProbeResult } from "./probe-result.ts";
import { probeScript } from "./script-probe.ts";
import { probeTcp } from "./tcp-probe.ts";
import { probeUdp } from "./udp-probe.ts";

/** Makes one attempt of a probe of any kind. Never rejects: what goes wrong is a critical result that says what. */
export function attemptProbe(probe: PeriodicProbe, limits: ProbeLimits, host: CheckHost): Promise<ProbeResult> {
  switch (probe.type) {
    case "http":
      return probeHttp(probe, limits);
    case "tcp":
      return probeTcp(probe, limits);
    case "udp":
      return probeUdp(probe, limits);
    case "grpc":
      return probeGrpc(probe, limits);
    case "h2ping":
      return probeH2Ping(probe, limits);
    case "script":
      return probeScript(probe, { ...limits, env: host.env });
    case "docker":
      return probeDocker(probe, { ...limits, docker: host.docker });
    case "os_service":
      return probeOsService(probe, { ...limits, env: host.env });
  }
}
