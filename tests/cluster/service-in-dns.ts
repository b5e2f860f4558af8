import { Resolver } from "node:dns/promises";
import { systemErrorCode } from "../../lib/base/errors.ts";

/** Whether the DNS server at a port of this host knows a passing instance; `name` is a service, or a tag and a service: `blue.web`. */
export async function isServiceInDns(dnsPort: number, name: string): Promise<boolean> {
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${dnsPort}`]);
  try {
    return (await resolver.resolveSrv(`${name}.service.consul`)).length > 0;
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code === "ENOTFOUND" || code === "ENODATA") return false;
    throw thrown;
  }
}
