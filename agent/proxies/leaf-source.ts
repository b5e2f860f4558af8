import type { Subscription } from "../../lib/client/server-link.ts";
import type { LeafCertificate } from "../agent-api.ts";

/** Where proxies get their identity: calls back with the service's leaf as soon as there is one and after each renewal. */
export interface LeafSource {
  watch(service: string, onLeaf: (leaf: LeafCertificate) => void): Subscription;
}
