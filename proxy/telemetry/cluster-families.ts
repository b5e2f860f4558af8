import type { Cluster } from "../outbound/cluster.ts";
import type { Endpoint } from "../outbound/endpoint.ts";
import type { OutboundListener } from "../outbound/listener.ts";
import type { Family, Sample } from "./exposition.ts";

/**
 * What became of the endpoints of each cluster, where it has outlier detection, health checks or a limit. An endpoint by itself is told of
 * only while it is out, so that there are few series and each is worth a look.
 */
export function clusterFamilies(listeners: readonly OutboundListener[]): Family[] {
  const clusters = listeners.flatMap((listener) => listener.clusters.map((cluster) => ({ listener, cluster })));
  const detecting = clusters.filter(({ cluster }) => cluster.health.hasOutlierDetection);
  const checking = clusters.filter(({ cluster }) => cluster.health.hasChecks);
  const limiting = clusters.filter(({ cluster }) => cluster.hasLimit);
  return [
    counter(
      "atoll_proxy_outlier_detections_total",
      "Endpoints found to be outliers, whether or not they were ejected.",
      detecting.flatMap((one) => each(one, "reason", one.cluster.health.outlierCounts.detected)),
    ),
    counter(
      "atoll_proxy_outlier_ejections_total",
      "Endpoints ejected, by reason.",
      detecting.flatMap((one) => each(one, "reason", one.cluster.health.outlierCounts.ejections)),
    ),
    counter(
      "atoll_proxy_outlier_overflow_total",
      "Endpoints not ejected, since as many were out as may be.",
      detecting.map((one) => sample(one, {}, one.cluster.health.outlierCounts.overflow)),
    ),
    gauge(
      "atoll_proxy_endpoints_ejected",
      "Endpoints that are ejected now.",
      detecting.map((one) => sample(one, {}, countOf(one.cluster, isEjected))),
    ),
    counter(
      "atoll_proxy_health_checks_total",
      "Health checks, by what came of them.",
      checking.flatMap((one) => {
        const { passed, failed } = one.cluster.health.checkCounts;
        return each(one, "result", { passed, ...failed });
      }),
    ),
    counter(
      "atoll_proxy_health_changes_total",
      "Endpoints that health checks took out or brought back.",
      checking.flatMap((one) => {
        const { becameHealthy, becameUnhealthy } = one.cluster.health.checkCounts;
        return each(one, "to", { healthy: becameHealthy, unhealthy: becameUnhealthy });
      }),
    ),
    gauge(
      "atoll_proxy_endpoints_failing_checks",
      "Endpoints that are out for their health checks now.",
      checking.map((one) => sample(one, {}, countOf(one.cluster, isFailingChecks))),
    ),
    gauge(
      "atoll_proxy_endpoint_out",
      "An endpoint that is out, or on probation after an ejection.",
      clusters.flatMap((one) =>
        one.cluster.endpoints.flatMap((endpoint) =>
          statesOf(endpoint).map((state) => sample(one, { endpoint: endpoint.address, state }, 1)),
        ),
      ),
    ),
    gauge(
      "atoll_proxy_cluster_panic",
      "1 while so few endpoints are healthy that all are used.",
      clusters
        .filter(({ cluster: { health } }) => health.hasOutlierDetection || health.hasChecks)
        .map((one) => sample(one, {}, one.cluster.health.isPanicking ? 1 : 0)),
    ),
    counter(
      "atoll_proxy_cluster_overflow_total",
      "Requests refused by a limit of their cluster.",
      limiting.flatMap((one) => each(one, "limit", one.cluster.overflows)),
    ),
  ];
}

interface Place {
  readonly listener: OutboundListener;
  readonly cluster: Cluster;
}

function isEjected({ outlier }: Endpoint): boolean {
  return outlier?.state === "ejected";
}

function isFailingChecks({ check }: Endpoint): boolean {
  return check?.health.isHealthy === false;
}

function statesOf(endpoint: Endpoint): string[] {
  const { outlier } = endpoint;
  const states: string[] = outlier === undefined || outlier.state === "in" ? [] : [outlier.state];
  return isFailingChecks(endpoint) ? [...states, "failing_checks"] : states;
}

function countOf({ endpoints }: Cluster, holds: (endpoint: Endpoint) => boolean): number {
  return endpoints.reduce((count, endpoint) => count + (holds(endpoint) ? 1 : 0), 0);
}

function each(place: Place, label: string, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([name, value]) => sample(place, { [label]: name }, value));
}

function sample({ listener, cluster }: Place, labels: Readonly<Record<string, string>>, value: number): Sample {
  const { service, listen } = listener.config;
  return { labels: { direction: listener.kind, service, listener: listen, cluster: cluster.name, ...labels }, value };
}

function counter(name: string, help: string, samples: Sample[]): Family {
  return { name, help, type: "counter", samples };
}

/** Processes of one proxy find out the same, each for itself. */
function gauge(name: string, help: string, samples: Sample[]): Family {
  return { name, help, type: "gauge", merge: "max", samples };
}
