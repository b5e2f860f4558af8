import { AtollError } from "../../lib/contract/error-codes.ts";

/** The ports that sidecars get when their definition names none; both ends belong to the range. */
export interface PortRange {
  readonly min: number;
  readonly max: number;
}

export const defaultSidecarPorts: PortRange = { min: 21_000, max: 21_255 };

/**
 * The port of a sidecar: the one it has already, so that proxies elsewhere keep reaching it, or the lowest one of the
 * range that no other local service has.
 */
export function pickSidecarPort(options: {
  readonly sidecarId: string;
  readonly range: PortRange;
  /** Port of every local service by id. */
  readonly portsInUse: ReadonlyMap<string, number>;
}): number {
  const { sidecarId, range, portsInUse } = options;
  const own = portsInUse.get(sidecarId);
  const taken = new Set([...portsInUse].filter(([id]) => id !== sidecarId).map(([, port]) => port));
  if (own !== undefined && own >= range.min && own <= range.max && !taken.has(own)) return own;
  for (let port = range.min; port <= range.max; port++) {
    if (!taken.has(port)) return port;
  }
  throw new AtollError(
    "INVALID_ARGUMENT",
    `none left in the configured sidecar port range ${range.min}-${range.max} for "${sidecarId}": ` +
      "widen ports.sidecar_min_port and ports.sidecar_max_port, or set Connect.SidecarService.Port",
  );
}
