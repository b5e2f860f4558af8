import type { CliCommand } from "./command.ts";
import { explanationText } from "./explanation-text.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { Outcome } from "../proxy/explain/explanation.ts";
import type { Question } from "../proxy/explain/question.ts";

const flags = {
  config: { type: "string", placeholder: "file", summary: "The ProxyConfig file (JSON), as for atoll proxy." },
  H: {
    type: "string",
    multiple: true,
    placeholder: "name: value",
    summary: "A header field of the request; Host takes the place of the URL's.",
  },
  from: {
    type: "string",
    placeholder: "address",
    summary: "Where the client is, which a hash of source-ip goes by; 127.0.0.1 by default.",
  },
  listener: {
    type: "string",
    placeholder: "name",
    summary:
      "The outbound listener, by service or address. By default the one whose service or address is the URL's host; web.service.consul is web as well.",
  },
  inbound: {
    type: "string",
    placeholder: "service",
    summary: "Ask the inbound listener of this service instead, named by service or address.",
  },
  as: { type: "string", placeholder: "spiffe id", summary: "With -inbound: who calls." },
  json: { type: "boolean", summary: "Print JSON." },
} as const;

/** 1 is for what cannot be asked at all, as for every command. */
const exitCodes: Readonly<Record<Outcome, number>> = { forwarded: 0, refused: 2, answered: 3, undecided: 4 };

/** `atoll proxy explain`: what a proxy with this file would do with one request. */
export const explainCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll proxy explain -config=<file> [options] <method> <url>",
    description:
      "Says what a proxy with this configuration would do with one request, and why: the canonical request or why it is refused, the route, what is rewritten and edited, every cluster with its share and its endpoints, timeouts, retries and limits, or for an inbound listener the intention that decides. Opens no socket and needs no running proxy. The listener is the proxy's own, built from the file, so the answer is its own. Of TCP listeners only the connection is explained; for an inbound one method and URL are not needed then. Exits with 0 when the request is forwarded, 2 when it is refused or denied, 3 when it is answered with a redirect or the reply of a route, 4 when that depends on keys that would have to be fetched or on an external authorizer that would have to be asked, and 1 when the question or the file is wrong.",
    flags,
    examples: [
      "atoll proxy explain -config=proxy.json GET http://web/api/users -H 'x-user: 7'",
      "atoll proxy explain -config=proxy.json -inbound=web -as=spiffe://td/ns/default/dc/dc1/svc/api GET http://web/admin",
    ],
  }),
  async run(args, io) {
    const { flags: given, positionals } = parseFlags({ args, flags, maxPositionals: 2 });
    const { config: path, H: fields, from = "127.0.0.1", listener, inbound, as } = given;
    if (path === undefined) throw new AtollError("INVALID_ARGUMENT", "give -config=<file>");
    const [method = "", url = ""] = positionals;
    if (url === "" && inbound === undefined) {
      throw new AtollError("INVALID_ARGUMENT", "give a method and a URL, as in GET http://web/");
    }
    const question: Question = {
      method,
      url,
      fields,
      from,
      ...(listener !== undefined && { listener }),
      ...(inbound !== undefined && { inbound }),
      ...(as !== undefined && { as }),
    };
    const [{ explain }, { readProxyConfigFile }] = await Promise.all([
      import("../proxy/explain/explain.ts"),
      import("../proxy/config-source/file.ts"),
    ]);
    const { config } = readProxyConfigFile(path);
    const runtime = io.createRuntime({ component: "proxy", logLevel: "error", isLogJson: false });
    const explanation = await explain(config, question, { runtime });
    io.stdout(given.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation));
    return exitCodes[explanation.outcome];
  },
};
