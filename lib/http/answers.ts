import type { FastifyReply } from "fastify";
import { createSharedBody, type SharedBody, wantsZipped } from "./shared-body.ts";

/**
 * The two kinds of body that the API answers: JSON values and plain text. Headers of the protocol are set on the raw
 * response because fastify writes names in lower case and scripts look for the spelling that Consul sends.
 */
export function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  return sendJsonBody(reply, createSharedBody(encodeJson(value, { isPretty: isPretty(reply) })));
}

/** Sends JSON that was serialised before by {@link encodeJson}, compressed for those who like it so. */
export function sendJsonBody(reply: FastifyReply, body: SharedBody): FastifyReply {
  reply.raw.setHeader("Content-Type", "application/json");
  return sendCompressible(reply, body);
}

/** The same for any body whose type has been said. */
export function sendCompressible(reply: FastifyReply, body: SharedBody): FastifyReply {
  const { raw, request } = reply;
  raw.setHeader("Vary", "Accept-Encoding");
  if (!wantsZipped(request.headers, body.bytes.length)) return reply.send(body.bytes);
  const zipped = body.zipped();
  if (Buffer.isBuffer(zipped)) return sendZipped(reply, zipped);
  zipped.then(
    (bytes) => sendZipped(reply, bytes),
    (error: unknown) => reply.send(error),
  );
  return reply;
}

function sendZipped(reply: FastifyReply, bytes: Buffer): FastifyReply {
  reply.raw.setHeader("Content-Encoding", "gzip");
  return reply.send(bytes);
}

export function encodeJson(value: unknown, options: { readonly isPretty: boolean }): Buffer {
  return Buffer.from(options.isPretty ? `${JSON.stringify(value, null, 4)}\n` : JSON.stringify(value));
}

/** `?pretty` asks for four spaces and a line end, whatever its value. */
export function isPretty(reply: FastifyReply): boolean {
  return reply.server.isAlwaysPretty || /[?&]pretty(?:[=&]|$)/.test(reply.request.url);
}

/** A plain text answer; every error is one. */
export function sendText(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).header("content-type", "text/plain; charset=utf-8").send(text);
}

/** Sends 200 with no body, as Consul's agent answers a registration. */
export function sendEmpty(reply: FastifyReply): FastifyReply {
  return reply.code(200).send();
}
