import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { formatDurationMs, parseDurationMs } from "../../lib/base/duration.ts";
import {
  type AuthorityConfig,
  type AuthorityConfigRecord,
  defaultAuthorityConfig,
  leafTtlBoundsMs,
} from "../../lib/contract/authority-config.ts";
import type { CaRotate } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CaRoot } from "../../lib/contract/topics.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import type { RotationWish } from "../ca/rotation.ts";
import { combineReads } from "./combine-reads.ts";
import { refusal } from "./entry-fields.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";

const AuthorityBody = Type.Object({
  Provider: Type.Optional(Type.String()),
  Config: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  State: Type.Optional(Type.Unknown()),
  ForceWithoutCrossSigning: Type.Optional(Type.Boolean()),
  CreateIndex: Type.Optional(Type.Unknown()),
  ModifyIndex: Type.Optional(Type.Unknown()),
});

const RotationBody = Type.Object({
  RootCert: Type.Optional(Type.String()),
  PrivateKey: Type.Optional(Type.String()),
  ForceWithoutCrossSigning: Type.Optional(Type.Boolean()),
});

/** The root is made for ten years; there is no certificate between it and the leaves. */
const rootTtl = "87600h";

/**
 * `/v1/connect/ca/configuration`: how the built-in authority signs; a root of the operator's own in it takes over at once.
 * `/v1/connect/ca/rotate`, which Consul does not have: the same with a root that is made here, without a word about anything else.
 */
export function registerAuthorityConfigRoutes(app: HttpApp, { server, reads, authorize }: RouteContext): void {
  const plan = (wish: RotationWish): CaRotate => {
    const hasRoot = server.reader.caRoots().value.roots.length > 0;
    if (server.authority !== undefined && hasRoot) return server.authority.planRotation(wish);
    throw new AtollError("UNAVAILABLE", "this server has no certificate authority yet; ask again");
  };
  app.get("/v1/connect/ca/configuration", async (request, reply) => {
    demand(authorize(request), "operator", "read");
    return reads.answer(request, reply, {
      query: (reader) => combineReads(reader.authorityConfig(), reader.caRoots()),
      body: ([record, roots]) => authorityAnswer(record, roots.roots[0]),
    });
  });

  app.put("/v1/connect/ca/configuration", { schema: { body: AuthorityBody } }, async (request, reply) => {
    demand(authorize(request), "operator", "write");
    checkDatacenter(request, server.datacenter);
    const { Provider: provider = "consul", Config = {}, ForceWithoutCrossSigning = false } = request.body;
    if (provider !== "consul" && provider !== "") {
      throw refusal(`Provider must be "consul": this version has no other authority than its own, found "${provider}"`);
    }
    const [root] = server.reader.caRoots().value.roots;
    const { config, given } = decodeConfig(Config, root);
    const isAnother = given !== undefined && given.certPem.trim() !== root?.certPem.trim();
    const rotation = isAnother ? plan({ given, isCrossSigned: !ForceWithoutCrossSigning }) : undefined;
    await proposeOrThrow({ server, request, command: { type: "authority-configure", config } });
    if (rotation !== undefined) await proposeOrThrow({ server, request, command: rotation });
    return sendEmpty(reply);
  });

  app.put("/v1/connect/ca/rotate", { schema: { body: RotationBody } }, async (request, reply) => {
    demand(authorize(request), "operator", "write");
    checkDatacenter(request, server.datacenter);
    const { RootCert: certPem = "", PrivateKey: privateKeyPem = "", ForceWithoutCrossSigning = false } = request.body;
    const given = givenRoot(certPem, privateKeyPem);
    const command = plan({ ...(given === undefined ? {} : { given }), isCrossSigned: !ForceWithoutCrossSigning });
    await proposeOrThrow({ server, request, command });
    return sendJson(reply, { ActiveRootID: command.root.id, TrustedUntil: command.trustedUntil });
  });

  // Kept for scripts that look whether a cluster has a gossip key: there is no gossip here.
  app.route({
    url: "/v1/operator/keyring",
    method: ["GET", "POST", "PUT", "DELETE"],
    handler: async (request, reply) => {
      demand(authorize(request), "keyring", request.method === "GET" ? "read" : "write");
      reply.code(500).header("content-type", "text/plain; charset=utf-8");
      return reply.send(
        "Keyring is not enabled: there is no gossip and so no key of it, servers and agents use mutual TLS",
      );
    },
  });

  app.get("/v1/operator/usage", async (request, reply) => {
    demand(authorize(request), "operator", "read");
    checkDatacenter(request, server.datacenter);
    return sendJson(reply, {
      Usage: { [server.datacenter]: usageOf(server.reader) },
      Index: server.reader.appliedIndex(),
    });
  });
}

function authorityAnswer(record: AuthorityConfigRecord | undefined, root: CaRoot | undefined): object {
  const { leafTtlMs, signaturesPerSecond } = record ?? defaultAuthorityConfig;
  return {
    Provider: "consul",
    Config: {
      // As Consul shows it, and as people write it.
      LeafCertTTL: formatDurationMs(leafTtlMs).replace(/(?<=h)0m0s$/, ""),
      RootCertTTL: rootTtl,
      CSRMaxPerSecond: signaturesPerSecond,
      CSRMaxConcurrent: 0,
      PrivateKeyType: root?.privateKeyType ?? "ec",
      PrivateKeyBits: root?.privateKeyBits ?? 256,
    },
    State: null,
    ForceWithoutCrossSigning: false,
    CreateIndex: record?.CreateIndex ?? 0,
    ModifyIndex: record?.ModifyIndex ?? 0,
  };
}

/** Settings of Consul's authority that have no effect on ours, or say what it is anyway. */
const passedOver = ["intermediatecertttl", "rootcertttl", "csrmaxconcurrent", "rotationperiod"];

function decodeConfig(
  values: Readonly<Record<string, unknown>>,
  root: CaRoot | undefined,
): { readonly config: AuthorityConfig; readonly given: GivenRoot | undefined } {
  const config = { ...defaultAuthorityConfig };
  const pems = { rootcert: "", privatekey: "" };
  for (const [key, value] of Object.entries(values)) {
    const name = key.toLowerCase().replaceAll("_", "");
    if (name === "leafcertttl") config.leafTtlMs = leafTtl(value);
    else if (name === "csrmaxpersecond") config.signaturesPerSecond = count(value, key);
    else if (name === "privatekeytype") mustStay(key, value, root?.privateKeyType ?? "ec");
    else if (name === "privatekeybits") mustStay(key, value, root?.privateKeyBits ?? 256);
    else if (name === "rootcert" || name === "privatekey") pems[name] = pemText(value, key);
    else if (!passedOver.includes(name)) throw refusal(`Config.${key} is no setting of the authority "consul"`);
  }
  return { config, given: givenRoot(pems.rootcert, pems.privatekey) };
}

type GivenRoot = NonNullable<RotationWish["given"]>;

function givenRoot(certPem: string, privateKeyPem: string): GivenRoot | undefined {
  if (certPem === "" && privateKeyPem === "") return undefined;
  if (certPem !== "" && privateKeyPem !== "") return { certPem, privateKeyPem };
  const missing = certPem === "" ? "RootCert" : "PrivateKey";
  throw refusal(`Config.${missing} is missing: a root of one's own is given as RootCert and PrivateKey, both in PEM`);
}

function pemText(value: unknown, key: string): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  throw refusal(`Config.${key} must be text in PEM`);
}

function leafTtl(value: unknown): number {
  const ms = typeof value === "number" ? value / 1e6 : parseDurationMs(String(value));
  const { min, max } = leafTtlBoundsMs;
  if (ms !== undefined && ms >= min && ms <= max) return Math.round(ms);
  throw refusal(`Config.LeafCertTTL must be a duration between 1h and 8760h, found ${JSON.stringify(value)}`);
}

function count(value: unknown, key: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 1_000_000) return value;
  throw refusal(`Config.${key} must be a whole number from 0 to 1000000, found ${JSON.stringify(value)}`);
}

function mustStay(key: string, value: unknown, current: unknown): void {
  if (value === current || value === "" || value === 0) return;
  throw refusal(
    `Config.${key} cannot be changed from ${current}: for a root with another key, give it as Config.RootCert and Config.PrivateKey`,
  );
}

function usageOf(reader: RouteContext["server"]["reader"]): object {
  const nodes = reader.nodes().value;
  const services = reader.services().value;
  const connect: Record<string, number> = {};
  let instances = 0;
  for (const node of nodes) {
    for (const { Kind, Connect } of reader.nodeServices(node.Node).value) {
      instances++;
      const kind = Connect.Native ? "connect-native" : Kind;
      if (kind !== "") connect[kind] = (connect[kind] ?? 0) + 1;
    }
  }
  return {
    Nodes: nodes.length,
    Services: services.size,
    ServiceInstances: instances,
    ConnectServiceInstances: connect,
    BillableServiceInstances: instances - Object.values(connect).reduce((sum, one) => sum + one, 0),
  };
}
