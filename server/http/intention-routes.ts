import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { decideIntention, intentionOf } from "../../lib/contract/intentions.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { demandIntention, seesIntention } from "./acl-sight.ts";
import {
  findSource,
  intentionAnswer,
  intentionFilter,
  scope,
  type StoredIntention,
  storedIntentions,
} from "./intention-answers.ts";
import { parseMatch, parsePair, plainServiceName } from "./intention-query.ts";
import type { RouteContext } from "./server-routes.ts";

/** Reads of `/v1/connect/intentions`: a view of the `service-intentions` entries, one row per source. */
export function registerIntentionRoutes(app: HttpApp, { server, reads }: RouteContext): void {
  app.get("/v1/connect/intentions", (request, reply) =>
    reads.list(request, reply, {
      query: (reader) => storedIntentions(reader, reader.intentions({ by: "all" })),
      records: (intentions: readonly StoredIntention[], _parameters, sight) =>
        sight.keep(intentions, ({ intention }, authorizer) => seesIntention(intention, authorizer)),
      filter: intentionFilter,
      shape: (intentions) => intentions.map(intentionAnswer),
    }),
  );

  app.get("/v1/connect/intentions/exact", async (request, reply) => {
    const { source, destination } = parsePair(request);
    return reads.answer(request, reply, {
      requires: (authorizer) => demandIntention(authorizer, { source, destination }),
      query: (reader) => reader.configEntry("service-intentions", destination),
      body: (entry) => {
        const found = findSource(entry, source);
        if (found === undefined) throw new AtollError("NOT_FOUND", "Intention not found");
        return intentionAnswer({ intention: intentionOf(found, destination), entry, ...scope });
      },
    });
  });

  app.get("/v1/connect/intentions/match", async (request, reply) => {
    const { by, names } = parseMatch(request);
    return reads.answer(request, reply, {
      isCacheable: true,
      requires(authorizer) {
        for (const name of names) demand(authorizer, "intention", "read", plainServiceName(name));
      },
      query: (reader) => {
        const matches = names.map((name) => {
          const filter = { by, name: plainServiceName(name) };
          return { name, read: storedIntentions(reader, reader.intentions(filter)) };
        });
        return {
          index: Math.max(...matches.map(({ read }) => read.index)),
          value: matches,
          watch: matches.flatMap(({ read }) => read.watch),
        };
      },
      body: (matches) => Object.fromEntries(matches.map(({ name, read }) => [name, read.value.map(intentionAnswer)])),
    });
  });

  app.get("/v1/connect/intentions/check", async (request, reply) => {
    const pair = parsePair(request);
    return reads.answer(request, reply, {
      // Whether a call is allowed says nothing of the rules: to know the service is enough.
      requires: (authorizer) => demand(authorizer, "service", "read", pair.destination),
      query: (reader) => reader.intentions({ by: "destination", name: pair.destination }),
      body: (intentions) => {
        const decision = decideIntention(intentions, pair, server.reader.defaultIntention().defaultAction);
        return { Allowed: decision.action === "allow" };
      },
    });
  });
}
