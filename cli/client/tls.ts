import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { errorMessage } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CommandIo } from "../command.ts";
import { formatUsage, parseFlags } from "../flags.ts";
import { commandGroup, type Subcommand } from "../subcommands.ts";
import { readInput } from "./input-file.ts";
import { type CertificatePair, createAuthority, createLeaf } from "./tls-files.ts";

const domainFlag = {
  type: "string",
  placeholder: "domain",
  summary: "Domain of the names; by default consul.",
} as const;

const caFlags = {
  domain: domainFlag,
  days: { type: "integer", placeholder: "count", summary: "How long it is valid; by default 1825." },
  "common-name": { type: "string", placeholder: "name", summary: "Its name; by default one with a random number." },
  "cluster-id": { type: "string", placeholder: "id", summary: "Accepted for Consul's scripts." },
} as const;

const caCreate: Subcommand = {
  summary: "Make a certificate authority for HTTPS of agents.",
  usage: formatUsage({
    synopsis: "atoll tls ca create [options]",
    description:
      "Makes <domain>-agent-ca.pem and <domain>-agent-ca-key.pem in the working directory. Nothing is overwritten.",
    flags: caFlags,
  }),
  async run(args, io) {
    const { flags } = parseFlags({ args, flags: caFlags });
    const domain = flags.domain ?? "consul";
    const random = Math.floor(Math.random() * 1e15);
    const name = flags["common-name"] ?? `Consul Agent CA ${random}`;
    const pair = createAuthority({ name, days: mustBeDays(flags.days ?? 1_825) });
    await save(io, `${domain}-agent-ca`, pair);
    return 0;
  },
};

const certFlags = {
  server: { type: "boolean", summary: "For HTTPS of a server." },
  client: { type: "boolean", summary: "For HTTPS of an agent that is no server." },
  cli: { type: "boolean", summary: "For a client of the API." },
  ca: { type: "string", placeholder: "path", summary: "The authority; by default <domain>-agent-ca.pem." },
  key: { type: "string", placeholder: "path", summary: "Its key; by default <domain>-agent-ca-key.pem." },
  days: { type: "integer", placeholder: "count", summary: "How long it is valid; by default 365." },
  dc: { type: "string", placeholder: "name", summary: "Datacenter; by default dc1." },
  domain: domainFlag,
  node: { type: "string", placeholder: "name", summary: "With -server: also name this node." },
  "additional-dnsname": { type: "string", placeholder: "name", multiple: true, summary: "Another DNS name." },
  "additional-ipaddress": { type: "string", placeholder: "address", multiple: true, summary: "Another address." },
} as const;

const roles = ["server", "client", "cli"] as const;

const certCreate: Subcommand = {
  summary: "Make a certificate for HTTPS, signed by that authority.",
  usage: formatUsage({
    synopsis: "atoll tls cert create -server|-client|-cli [options]",
    description:
      "Makes <dc>-<role>-<domain>-<n>.pem and its key in the working directory, under the first number that is free. Links between nodes have certificates of their own, which the servers issue.",
    flags: certFlags,
  }),
  async run(args, io) {
    const { flags } = parseFlags({ args, flags: certFlags });
    const [role, ...more] = roles.filter((one) => flags[one] === true);
    if (role === undefined || more.length > 0) {
      throw new AtollError("INVALID_ARGUMENT", "Please provide exactly one of -server, -client, or -cli");
    }
    const domain = flags.domain ?? "consul";
    const dc = flags.dc ?? "dc1";
    const ca = flags.ca ?? `${domain}-agent-ca.pem`;
    const key = flags.key ?? `${domain}-agent-ca-key.pem`;
    const authority = { certPem: await readInput(ca, io), keyPem: await readInput(key, io) };
    const name = `${role}.${dc}.${domain}`;
    const nodeNames = role === "server" && flags.node !== undefined ? [`${flags.node}.server.${dc}.${domain}`] : [];
    const pair = createLeaf({
      authority,
      name,
      dnsNames: [...new Set([name, ...nodeNames, "localhost", ...flags["additional-dnsname"]])],
      addresses: role === "cli" ? flags["additional-ipaddress"] : ["127.0.0.1", ...flags["additional-ipaddress"]],
      usages: role === "cli" ? ["clientAuth"] : ["serverAuth", "clientAuth"],
      days: mustBeDays(flags.days ?? 365),
    });
    io.stdout(`==> Using ${ca} and ${key}\n`);
    await save(io, freeName(`${dc}-${role}-${domain}`), pair);
    return 0;
  },
};

/** `atoll tls`: certificates for HTTPS. */
export const tlsCommand = commandGroup({
  name: "atoll tls",
  description: "Makes certificates for the HTTPS of agents.",
  commands: new Map([
    [
      "ca",
      commandGroup({
        name: "atoll tls ca",
        description: "Makes a certificate authority.",
        commands: new Map([["create", caCreate]]),
      }),
    ],
    [
      "cert",
      commandGroup({
        name: "atoll tls cert",
        description: "Makes certificates.",
        commands: new Map([["create", certCreate]]),
      }),
    ],
  ]),
});

const maxNumber = 1_000;

function freeName(prefix: string): string {
  for (let number = 0; number < maxNumber; number++) {
    const name = `${prefix}-${number}`;
    if (!existsSync(`${name}.pem`) && !existsSync(`${name}-key.pem`)) return name;
  }
  throw new AtollError("CONFLICT", `there are ${maxNumber} certificates ${prefix}-*.pem here already: remove some`);
}

async function save(io: CommandIo, name: string, pair: CertificatePair): Promise<void> {
  const files = [
    { path: `${name}.pem`, text: pair.certPem, mode: 0o644 },
    { path: `${name}-key.pem`, text: pair.keyPem, mode: 0o600 },
  ];
  for (const { path } of files) {
    if (existsSync(path)) throw new AtollError("CONFLICT", `${path} already exists.`);
  }
  for (const { path, text, mode } of files) {
    try {
      await writeFile(path, text, { mode, flag: "wx" });
    } catch (cause) {
      throw new AtollError("INTERNAL", `cannot write ${path}: ${errorMessage(cause)}`, { cause });
    }
    io.stdout(`==> Saved ${path}\n`);
  }
}

function mustBeDays(days: number): number {
  if (days >= 1 && days <= 36_500) return days;
  throw new AtollError("INVALID_ARGUMENT", `-days must be 1 to 36500, found ${days}`);
}
