import { expect, test } from "bun:test";
import { createLogger } from "../../../lib/base/logger.ts";
import { maxLines, SparseLog, spanMs } from "../../../proxy/authz/sparse-log.ts";

test("a sparse log has a few lines in a while and says how many are missing", () => {
  const lines: string[] = [];
  let nowMs = 5;
  const write = (line: string): number => lines.push(line);
  const logger = createLogger({ component: "proxy", level: "info", format: "text", nowMs: () => 0, write });
  const log = new SparseLog({ logger, level: "info", message: "dry run", monotonicMs: () => nowMs });
  const denial = { service: "api", caller: "spiffe://t/web", rule: "rules[0]", request: "GET /" };
  for (let i = 0; i < maxLines + 7; i++) log.write(denial);
  expect(lines.length).toBe(maxLines);
  expect(lines[0]).toContain("dry run");
  nowMs += spanMs;
  log.write(denial);
  log.write(denial);
  expect(lines.slice(maxLines).map((line) => /suppressed=(\d+)/.exec(line)?.[1])).toEqual(["7", undefined]);
});
