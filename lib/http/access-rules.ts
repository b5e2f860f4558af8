import { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { AtollError } from "../contract/error-codes.ts";
import type { HttpApp } from "./http-app.ts";

/** Consul's `http_config`: what every answer carries, which paths are closed, and from where writes are taken. */
export interface AccessSettings {
  readonly responseHeaders: Readonly<Record<string, string>>;
  /** Prefixes of paths. */
  readonly blockEndpoints: readonly string[];
  /** Networks in CIDR form; empty for everywhere. */
  readonly allowWriteFrom: readonly string[];
}

export interface AccessRules {
  /** For requests from now on. Throws `CONFIG_INVALID` for a network that is none. */
  change(settings: AccessSettings): void;
}

const readMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Has to be called before routes are registered. What another agent sent on has passed that agent's rules and is let through.
 * Throws `CONFIG_INVALID` for a network that is none. */
export function addAccessRules(app: HttpApp, first: AccessSettings): AccessRules {
  let { responseHeaders, blockEndpoints } = first;
  let writers = readNetworks(first.allowWriteFrom);
  let isIdle = isEmpty(first);
  app.addHook("onRequest", (request, reply, done) => {
    if (isIdle || !(request.raw instanceof IncomingMessage)) {
      done();
      return;
    }
    for (const name in responseHeaders) reply.raw.setHeader(name, responseHeaders[name] ?? "");
    if (blockEndpoints.length > 0 && blockEndpoints.some((prefix) => request.url.startsWith(prefix))) {
      done(new AtollError("PERMISSION_DENIED", "Endpoint is blocked by agent configuration"));
    } else if (writers !== undefined && !readMethods.has(request.method) && !isWriter(writers, request)) {
      done(new AtollError("PERMISSION_DENIED", "Access is restricted"));
    } else {
      done();
    }
  });
  return {
    change(next) {
      writers = readNetworks(next.allowWriteFrom);
      ({ responseHeaders, blockEndpoints } = next);
      isIdle = isEmpty(next);
    },
  };
}

function isEmpty({ responseHeaders, blockEndpoints, allowWriteFrom }: AccessSettings): boolean {
  return Object.keys(responseHeaders).length + blockEndpoints.length + allowWriteFrom.length === 0;
}

/** A socket file has no address: its permissions say who may write. */
function isWriter(writers: BlockList, request: FastifyRequest): boolean {
  const address = request.raw.socket.remoteAddress;
  return address === undefined || writers.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

function readNetworks(networks: readonly string[]): BlockList | undefined {
  if (networks.length === 0) return undefined;
  const list = new BlockList();
  for (const network of networks) {
    const [, base = "", bits = ""] = /^([0-9A-Fa-f:.]+)\/(\d{1,3})$/.exec(network) ?? [];
    const family = isIP(base);
    if (family === 0 || Number(bits) > (family === 6 ? 128 : 32)) {
      const message = `allow_write_http_from: "${network}" is no network: write it as 10.0.0.0/8`;
      throw new AtollError("CONFIG_INVALID", message);
    }
    list.addSubnet(base, Number(bits), family === 6 ? "ipv6" : "ipv4");
  }
  return list;
}
