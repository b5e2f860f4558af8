import { expect, test } from "bun:test";
import { createLogTaps } from "../../../lib/base/log-taps.ts";
import { createLogger } from "../../../lib/base/logger.ts";

test("a reader gets what is logged from then on at its own level, the program's log stays as it is", () => {
  const written: string[] = [];
  const nowMs = (): number => 0;
  const component = "atoll";
  const inner = createLogger({ component, level: "warn", format: "text", nowMs, write: (line) => written.push(line) });
  const taps = createLogTaps(nowMs);
  const logger = taps.tap(inner, component).child("agent");
  logger.debug("before");
  const lines: string[] = [];
  const json: string[] = [];
  const reader = taps.open({ level: "debug", format: "text", onLine: (line) => lines.push(line) });
  const other = taps.open({ level: "error", format: "json", onLine: (line) => json.push(line) });
  logger.trace("too fine");
  logger.debug("detail", { of: "web" });
  logger.error("broken");
  reader.close();
  logger.error("after");
  other.close();
  expect(lines).toEqual([
    "1970-01-01T00:00:00.000Z [DEBUG] atoll.agent: detail: of=web",
    "1970-01-01T00:00:00.000Z [ERROR] atoll.agent: broken",
  ]);
  expect(json).toEqual([
    '{"@timestamp":"1970-01-01T00:00:00.000Z","@level":"error","@module":"atoll.agent","@message":"broken"}',
    '{"@timestamp":"1970-01-01T00:00:00.000Z","@level":"error","@module":"atoll.agent","@message":"after"}',
  ]);
  expect(written).toEqual([
    "1970-01-01T00:00:00.000Z [ERROR] atoll.agent: broken",
    "1970-01-01T00:00:00.000Z [ERROR] atoll.agent: after",
  ]);
});
