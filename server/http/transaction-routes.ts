import type { FastifyReply, FastifyRequest } from "fastify";
import { txnBodyLimit, txnLimitKey } from "../../lib/contract/request-limits.ts";
import {
  isReadOnly,
  type TransactionError,
  type TransactionOperation,
  type TransactionOutcome,
  type TransactionResult,
} from "../../lib/contract/transactions.ts";
import { sendJson } from "../../lib/http/answers.ts";
import { checkAnswer } from "../../lib/http/check-answer.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { checkDatacenter, parseConsistency } from "../../lib/http/read-query.ts";
import { rawBody } from "../../lib/http/relay.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { nodeAnswer, nodeServiceAnswer } from "./catalog-answers.ts";
import { kvAnswer } from "./kv-answer.ts";
import { proposeForResult } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";
import { refusedOperations, visibleResults } from "./transaction-access.ts";
import { outcomeOfRetry } from "./transaction-again.ts";
import { RefusedOperation, transactionOperations } from "./transaction-body.ts";

/**
 * `/v1/txn`: operations that take effect together or not at all. One that only looks does not go through the log. When
 * any operation fails the answer is 409 with every error and no result.
 */
export function registerTransactionRoutes(app: HttpApp, context: RouteContext): void {
  const { server, runtime, authorize, limits } = context;
  const { datacenter } = server;
  const { kvMaxValueBytes } = limits;
  const route = { bodyLimit: txnBodyLimit(limits), config: { bodyLimitKey: txnLimitKey } };

  app.put("/v1/txn", route, async (request, reply) => {
    checkDatacenter(request, datacenter);
    const nowMs = runtime.clock.nowMs();
    const operations = readOperations(() =>
      transactionOperations(rawBody(request), { datacenter, nowMs, kvMaxValueBytes }),
    );
    if (operations instanceof RefusedOperation) return answerErrors(reply, [operations]);
    const authorizer = authorize(request);
    const refused = [...refusedOperations(operations, authorizer, server.reader)];
    for (const [number, operation] of operations.entries()) {
      const message = await keyProblem(context, operation);
      if (message !== undefined) refused.push({ operation: number, message });
    }
    if (refused.length > 0) return answerErrors(reply, refused);
    const isReading = operations.every(isReadOnly);
    const outcome = isReading
      ? await readOutcome(context, { request, reply, operations })
      : await writtenOutcome(context, { request, operations });
    if (outcome.errors.length > 0) return answerErrors(reply, outcome.errors);
    const seen = visibleResults(outcome.results, authorizer);
    const isFiltered = seen.length < outcome.results.length;
    if (isFiltered) setFilteredHeader(request, reply);
    const Results = seen.map(resultAnswer);
    return sendJson(reply, { Results, Errors: null, ...(isReading ? readMeta(context, isFiltered) : {}) });
  });
}

function readOperations<T>(read: () => T): T | RefusedOperation {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof RefusedOperation) return thrown;
    throw thrown;
  }
}

/** Judged before anything is proposed: a lock-delay is a matter of the leader's clock. */
async function keyProblem({ server }: RouteContext, operation: TransactionOperation): Promise<string | undefined> {
  if (operation.type !== "kv") return undefined;
  const { verb, key } = operation.kv;
  if (key === "" && verb !== "delete-tree" && verb !== "get-tree") {
    return "Must provide key";
  }
  if (verb !== "lock" || !(await server.locks.isDelayed(key))) return undefined;
  return `failed to lock key ${JSON.stringify(key)} due to lock delay`;
}

async function readOutcome(
  { server }: RouteContext,
  read: {
    readonly request: FastifyRequest;
    readonly reply: FastifyReply;
    readonly operations: readonly TransactionOperation[];
  },
): Promise<TransactionOutcome> {
  const { request, reply, operations } = read;
  if (parseConsistency(queryOf(request)).mode === "consistent") await server.log.readIndex(requestSignal(reply));
  reply.raw.setHeader("X-Consul-KnownLeader", "true");
  reply.raw.setHeader("X-Consul-LastContact", "0");
  return server.reader.readTransaction(operations);
}

async function writtenOutcome(
  { server, runtime }: RouteContext,
  write: { readonly request: FastifyRequest; readonly operations: readonly TransactionOperation[] },
): Promise<TransactionOutcome> {
  const { request, operations } = write;
  const id = runtime.random.uuid();
  const command = { type: "txn", id, operations } as const;
  const { errors = [] } = await proposeForResult({ server, request, command });
  if (errors.length > 0) return { results: [], errors };
  // Absent when the request took effect before, under another id.
  return server.reader.takeTransaction(id) ?? outcomeOfRetry(server.reader, operations);
}

function answerErrors(reply: FastifyReply, errors: readonly TransactionError[]): FastifyReply {
  reply.code(409);
  const Errors = errors
    .toSorted((a, b) => a.operation - b.operation)
    .map(({ operation, message }) => ({ OpIndex: operation, What: message }));
  return sendJson(reply, { Results: null, Errors });
}

/** Consul says it in the body too. */
function readMeta({ server }: RouteContext, isFiltered: boolean): object {
  return {
    Index: 0,
    LastContact: 0,
    KnownLeader: server.log.leadership().leaderAddress !== "",
    ConsistencyLevel: "",
    NotModified: false,
    Backend: 0,
    ResultsFilteredByACLs: isFiltered,
  };
}

function resultAnswer(result: TransactionResult): object {
  switch (result.type) {
    case "kv":
      return { KV: kvAnswer(result.record, { hasValue: result.hasValue }) };
    case "node":
      return { Node: nodeAnswer(result.record) };
    case "service":
      return { Service: nodeServiceAnswer(result.record) };
    case "check":
      return { Check: checkAnswer(result.record) };
  }
}
