import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { ProxyProcess } from "../rolling/proxy-process.ts";
import { type Caller, callers, inboundsOf, instances, outboundOf, type Policies, slowMs } from "./policy-model.ts";

/** A called sidecar with the instances of its service, and a sidecar for each caller, in processes of their own. */
export interface PolicyMesh {
  readonly ports: Readonly<Record<Caller, number>>;
  /** Puts these policies of one side in force; nothing else is in force there when it resolves. */
  apply(side: "caller" | "callee", policies: Policies): Promise<void>;
  stop(): Promise<void>;
}

export async function startPolicyMesh(first: Policies): Promise<PolicyMesh> {
  const temp = createTempDir();
  const authority = new TestAuthority();
  const apps = startApplications();
  const [shop = 0, batch = 0, shopAdmin = 0, batchAdmin = 0, admin = 0, ...free] = await findFreePorts(
    "127.0.0.1",
    5 + instances.length,
  );
  const ports = { shop, batch };
  const admins = { shop: shopAdmin, batch: batchAdmin };
  const mesh = free.map(local);
  const called = new ProxyProcess(join(temp.path, "called"), admin);
  const calling = {
    shop: new ProxyProcess(join(temp.path, "shop"), shopAdmin),
    batch: new ProxyProcess(join(temp.path, "batch"), batchAdmin),
  };
  const identities = Object.fromEntries(
    ["web", ...callers].map((service) => [
      service,
      writeLeaf(authority.leaf(service), createDirectory(temp.path, service)),
    ]),
  );
  const calledDocument = ({ callee }: Policies): object => ({
    identity: identities["web"],
    inbound: inboundsOf(
      callee,
      mesh,
      apps.map(({ port = 0 }) => local(port)),
    ),
    admin: { listen: local(admin) },
  });
  const callerDocument = (caller: Caller, policies: Policies): object => ({
    identity: identities[caller],
    outbound: [outboundOf(policies.caller, local(ports[caller]), mesh)],
    admin: { listen: local(admins[caller]) },
  });
  await called.start(calledDocument(first));
  for (const caller of callers) await calling[caller].start(callerDocument(caller, first));
  return {
    ports,
    async apply(side, policies) {
      if (side === "callee") await called.apply(calledDocument(policies));
      else for (const caller of callers) await calling[caller].apply(callerDocument(caller, policies));
    },
    async stop() {
      for (const proxy of [...Object.values(calling), called]) await proxy.stop();
      for (const app of apps) await app.stop(true);
      temp[Symbol.dispose]();
    },
  };
}

function local(port: number): string {
  return `127.0.0.1:${port}`;
}

function createDirectory(parent: string, name: string): string {
  const path = join(parent, `identity-${name}`);
  mkdirSync(path);
  return path;
}

/** One for each instance: they tell what they have read, take their time or fail at a first try where they are asked to. */
function startApplications(): ReturnType<typeof Bun.serve>[] {
  const tried = new Set<string>();
  return instances.map((instance) =>
    Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      // A connection that is closed while it rests is another subject.
      idleTimeout: 0,
      async fetch(request) {
        await request.arrayBuffer();
        const { pathname, search } = new URL(request.url);
        const told = { instance, path: `${pathname}${search}`, edit: request.headers.get("x-edit") ?? "" };
        if (search === "?do=slow") await Bun.sleep(slowMs);
        const number = request.headers.get("x-number") ?? "";
        const isFirst = search === "?do=flaky" && !tried.delete(number);
        if (isFirst) tried.add(number);
        return Response.json(told, { status: isFirst ? 503 : 200 });
      },
    }),
  );
}
