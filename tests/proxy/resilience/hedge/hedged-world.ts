import { expect } from "bun:test";
import Value from "typebox/value";
import { HedgeSchema } from "../../../../lib/contract/proxy-hedge.ts";
import type { Stage } from "../../../../proxy/exchange/policy.ts";
import { HedgeStage } from "../../../../proxy/resilience/hedge/hedge-stage.ts";
import { retryConfig, type UpstreamWorldOptions } from "../../upstream/upstream-world.ts";
import { StageWorld } from "../stage-world.ts";

export interface HedgedOptions extends Partial<UpstreamWorldOptions> {
  readonly hedge?: object;
  readonly retry?: object;
  /** Around each try. */
  readonly inner?: readonly Stage[];
  readonly timeoutMs?: number;
}

/** Requests of three endpoints, the first of which is preferred, with a hedge after 100 ms. */
export function hedged({
  hedge = {},
  retry = {},
  inner = [],
  timeoutMs = 0,
  ...options
}: HedgedOptions = {}): StageWorld {
  const config = Value.Parse(HedgeSchema, Value.Default(HedgeSchema, { delayMs: 100, ...hedge }));
  const retries = retryConfig(retry);
  return new StageWorld(
    { protocol: "http1", endpoints: 3, policy: { timeoutMs, retry: retries }, ...options },
    ({ budget, stageContext }) =>
      new HedgeStage(
        { config, budget, budgetConfig: retries.budget, inner, hasRetries: retries.attempts > 0 },
        stageContext,
      ),
  );
}

export const failed = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

/** Lets time go by with all that happens on the network meanwhile. */
export async function pass(world: StageWorld, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5) await world.wait(5);
}

/** Nothing is under way: no place in the budget, deadline, timer or byte is held. */
export function expectIdle(world: StageWorld): void {
  expect([world.budget.liveRequests, world.budget.liveRetries, ...world.leftovers]).toEqual([0, 0, 0, 0, 0]);
}

export const isGone = (world: StageWorld, index: number): boolean => {
  const { connection, hasEnded } = world.server(index);
  return connection.isClosed || hasEnded;
};
export const endpoints = (world: StageWorld): number[] => world.servers.map(({ endpoint }) => endpoint);
