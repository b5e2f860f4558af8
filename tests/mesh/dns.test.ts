import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "./agent-process.ts";

/** DNS of a real agent beside a real server, asked with dig and kdig. */
const digs = ["dig", "kdig"].filter((program) => Bun.which(program) !== null);
const note = digs.length < 2 ? " (skipped: needs dig and kdig, of dnsutils and knot-dnsutils)" : "";

let dir: TempDir;
let server: AgentProcess;
let client: AgentProcess;
let dnsPort = 0;
let serverDnsPort = 0;

interface Reply {
  readonly status: string;
  readonly flags: string;
  /** The records, sorted, each as `name ttl class type data` with single blanks. */
  readonly records: readonly string[];
  readonly text: string;
}

async function dig(program: string, port: number, ...args: readonly string[]): Promise<Reply> {
  const child = Bun.spawn([program, "@127.0.0.1", "-p", `${port}`, ...args], { stdout: "pipe", stderr: "pipe" });
  const [text, complaints] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  const records = text.split("\n").filter((line) => line !== "" && !line.startsWith(";"));
  return {
    status: /status: ([A-Z]+)/.exec(text)?.[1] ?? "none",
    flags: /[Ff]lags: ([a-z ]+);/.exec(text)?.[1]?.trim() ?? "",
    records: records.map((line) => line.replace(/\s+/g, " ").trim()).toSorted(),
    text: text + complaints,
  };
}

describe.skipIf(note !== "")(`an agent's DNS${note}`, () => {
  beforeAll(async () => {
    dir = createTempDir();
    const [http = 0, rpc = 0, clientHttp = 0, dns = 0, serverDns = 0] = await findFreePorts("127.0.0.1", 5);
    dnsPort = dns;
    serverDnsPort = serverDns;
    server = await startAgentProcess({
      args: [
        "-server",
        "-bootstrap-expect=1",
        "-bind=127.0.0.1",
        "-node=server",
        `-server-port=${rpc}`,
        `-data-dir=${join(dir.path, "server")}`,
        `-dns-port=${serverDns}`,
      ],
      httpPort: http,
    });
    client = await startAgentProcess({
      args: [
        `-join=127.0.0.1:${rpc}`,
        "-bind=127.0.0.1",
        "-node=client.host",
        `-data-dir=${join(dir.path, "client")}`,
        `-dns-port=${dns}`,
        "-domain=corp.example",
      ],
      httpPort: clientHttp,
    });
    for (const [i, address] of ["10.1.0.1", "10.1.0.2", "10.1.0.3"].entries()) {
      const check = { TTL: "1h", Status: "passing", CheckID: `up-${i}` };
      const body = { Name: "web", ID: `web-${i}`, Address: address, Port: 80 + i, Tags: ["v1", `t${i}`], Check: check };
      await client.api("PUT", "agent/service/register", body);
    }
    await client.api("PUT", "agent/service/register", { Name: "db", Port: 5432, Connect: { Native: true } });
    await eventually("the catalog to have them", async () => {
      const db = await server.api("GET", "health/service/db");
      const web = await server.api("GET", "health/service/web?passing");
      return Array.isArray(db) && db.length === 1 && Array.isArray(web) && web.length === 3;
    });
  }, 60_000);

  afterAll(async () => {
    await Promise.all([client?.end("SIGKILL"), server?.end("SIGKILL")]);
    dir?.[Symbol.dispose]();
  });

  const addresses = (name: string) =>
    ["10.1.0.1", "10.1.0.2", "10.1.0.3"].map((address) => `${name}. 0 IN A ${address}`);

  test.each(digs)(
    "%s gets addresses, SRV records, reverse names and the zone, over UDP and TCP",
    async (program) => {
      for (const transport of ["+notcp", "+tcp"]) {
        for (const domain of ["consul", "mesh", "corp.example"]) {
          const name = `web.service.${domain}`;
          expect(await dig(program, dnsPort, name, transport)).toMatchObject({
            status: "NOERROR",
            flags: "qr aa rd",
            records: addresses(name),
          });
        }
        const srv = await dig(program, dnsPort, "_web._t1.service.consul", "SRV", transport);
        expect(srv.records).toEqual([
          "0a010002.addr.dc1.consul. 0 IN A 10.1.0.2",
          "_web._t1.service.consul. 0 IN SRV 1 1 81 0a010002.addr.dc1.consul.",
        ]);
        const both = await dig(program, dnsPort, "t0.v1.web.service.consul", transport);
        expect(both.records).toEqual(["t0.v1.web.service.consul. 0 IN A 10.1.0.1"]);
        const node = await dig(program, dnsPort, "client.host.node.dc1.consul", transport);
        expect(node.records).toEqual(["client.host.node.dc1.consul. 0 IN A 127.0.0.1"]);
        const reverse = await dig(program, dnsPort, "-x", "10.1.0.3", transport);
        expect(reverse.records).toEqual(["3.0.1.10.in-addr.arpa. 0 IN PTR web.service.dc1.corp.example."]);
        const consul = await dig(program, dnsPort, "db.virtual.consul", transport);
        const mesh = await dig(program, dnsPort, "db.virtual.mesh", transport);
        expect([consul.records, mesh.records]).toEqual([
          ["db.virtual.consul. 0 IN A 240.0.0.1"],
          ["db.virtual.mesh. 0 IN A 127.128.0.1"],
        ]);
        // The leader registers its servers a moment after it has begun.
        const soa = await eventually("a server in the zone", async () => {
          const answer = (await dig(program, dnsPort, "consul", "SOA", transport)).records;
          return answer.some((record) => record.includes(" IN NS ")) ? answer : undefined;
        });
        expect(soa.join()).toMatch(/consul\. 0 IN SOA ns\.consul\. hostmaster\.consul\. \d+ 3600 600 86400 0/);
        expect(soa.join()).toMatch(/consul\. 0 IN NS \S+\.node\.dc1\.consul\./);
        expect(await dig(program, dnsPort, "none.service.consul", transport)).toMatchObject({
          status: "NXDOMAIN",
          flags: "qr aa rd",
        });
        expect(await dig(program, dnsPort, "web.service.consul", "AAAA", transport)).toMatchObject({
          status: "NOERROR",
          flags: "qr aa rd",
        });
        expect(await dig(program, dnsPort, "www.example.com", transport)).toMatchObject({
          status: "REFUSED",
          flags: "qr rd",
        });
        expect(await dig(program, dnsPort, "web.service.dc9.consul", transport)).toMatchObject({ status: "NXDOMAIN" });
      }
    },
    30_000,
  );

  test.each(digs)("%s finds no fault with EDNS, subnets, letter case and short answers", async (program) => {
    const subnet = await dig(program, dnsPort, "web.service.consul", "+subnet=192.0.2.0/24");
    expect(subnet.status).toBe("NOERROR");
    expect(subnet.text).toMatch(/CLIENT-SUBNET: 192\.0\.2\.0\/24\/0/);
    const mixed = await dig(program, dnsPort, "wEb.sErViCe.CoNsUl", "+noedns");
    // kdig shows names in lower case.
    expect(mixed.records).toEqual(addresses(program === "dig" ? "wEb.sErViCe.CoNsUl" : "web.service.consul"));
    const transfer = await dig(program, dnsPort, "consul", "AXFR");
    expect(transfer.text).toMatch(/failed|NOTIMP|not implemented/i);
    for (const reply of [subnet, mixed])
      expect(reply.text).not.toMatch(/malformed|WARNING: (?!recursion)|garbage|mismatch/i);
  });

  test("who becomes critical leaves the answers at once, who deregisters leaves the name", async () => {
    await client.api("PUT", "agent/check/fail/up-0");
    const records = await eventually("two addresses", async () => {
      const reply = await dig("dig", dnsPort, "web.service.consul");
      return reply.records.length === 2 && reply.records;
    });
    expect(records).toEqual(addresses("web.service.consul").slice(1));
    await client.api("PUT", "agent/check/pass/up-0");
    await eventually(
      "three addresses",
      async () => (await dig("dig", dnsPort, "web.service.consul")).records.length === 3,
    );
    await client.api("PUT", "agent/service/register", { Name: "gone", Port: 1 });
    await eventually(
      "the new name",
      async () => (await dig("dig", dnsPort, "gone.service.consul")).status === "NOERROR",
    );
    await client.api("PUT", "agent/service/deregister/gone");
    await eventually("NXDOMAIN", async () => (await dig("dig", dnsPort, "gone.service.consul")).status === "NXDOMAIN");
  }, 30_000);

  test("what is registered with capitals is found in any letter case", async () => {
    const service = { ID: "Mixed", Service: "MixedCase", Port: 1, Address: "10.2.0.1" };
    await client.api("PUT", "catalog/register", { Node: "VM-1", Address: "10.2.0.2", Service: service });
    const found = async (name: string) => (await dig("dig", dnsPort, name)).records;
    await eventually(
      "the service",
      async () => (await dig("dig", dnsPort, "mixedcase.service.consul")).status === "NOERROR",
    );
    expect(await found("MIXEDCASE.service.consul")).toEqual(["MIXEDCASE.service.consul. 0 IN A 10.2.0.1"]);
    expect(await found("vm-1.node.consul")).toEqual(["vm-1.node.consul. 0 IN A 10.2.0.2"]);
  }, 30_000);

  test("a server answers as its agents do", async () => {
    expect((await dig("dig", serverDnsPort, "web.service.consul")).records).toEqual(addresses("web.service.consul"));
  });

  test("with the server dead, what was asked before is answered and what was not is SERVFAIL", async () => {
    await dig("dig", dnsPort, "web.service.consul");
    await server.end("SIGKILL");
    expect((await dig("dig", dnsPort, "web.service.consul")).records).toEqual(addresses("web.service.consul"));
    expect(await dig("dig", dnsPort, "never.service.consul", "+tries=1")).toMatchObject({ status: "SERVFAIL" });
    expect((await dig("dig", dnsPort, "web.service.mesh")).records).toEqual(addresses("web.service.mesh"));
  }, 30_000);
});
