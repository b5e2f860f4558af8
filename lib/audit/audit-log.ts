import { Counter, type Registry } from "prom-client";
import { errorMessage } from "../base/errors.ts";
import type { MeteredRuntime } from "../base/runtime.ts";
import type { AuditEvent } from "./audit-event.ts";
import { type AuditFile, createAuditFile } from "./audit-file.ts";
import type { AuditSettings } from "./audit-settings.ts";

/**
 * Who changed what, as JSON lines in files that only their owner reads. Best effort: a request never waits for the disk and
 * never fails because of it. What cannot be written, or comes faster than it can be, is counted and logged.
 */
export interface AuditLog {
  /** Takes the event as it is now; returns at once. */
  record(event: AuditEvent): void;
  /** Writes what was taken. Later events are lost. */
  close(): Promise<void>;
}

/** Lines that wait for the disk, per sink. */
const maxWaitingBytes = 8 * 1024 * 1024;
/** A disk that stays full is not worth a line of the program's log per request. */
const complaintIntervalMs = 60_000;
/** How much is written at once, so that a file is exchanged near its size. */
const maxBatchBytes = 256 * 1024;

/** Files are opened with the first event. */
export function createAuditLog(settings: AuditSettings, runtime: MeteredRuntime): AuditLog {
  const events = counter(runtime.metrics, "atoll_audit_events_total", "Events written to the audit log.", ["sink"]);
  const lost = counter(runtime.metrics, "atoll_audit_lost_events_total", "Events that the audit log lost, by reason.", [
    "sink",
    "reason",
  ]);
  const logger = runtime.logger.child("audit");
  const sinks = settings.sinks.map((sink) => {
    let complainedMs: number | undefined;
    return createSink({
      file: createAuditFile(sink, runtime.clock),
      onWritten: (count) => events.inc({ sink: sink.name }, count),
      onLost(count, reason, error) {
        lost.inc({ sink: sink.name, reason }, count);
        const nowMs = runtime.clock.monotonicMs();
        if (complainedMs !== undefined && nowMs - complainedMs < complaintIntervalMs) return;
        complainedMs = nowMs;
        logger.error("events of the audit log were lost", { sink: sink.name, path: sink.path, reason, error });
      },
    });
  });
  return {
    record(event) {
      const line = `${JSON.stringify(event)}\n`;
      for (const sink of sinks) sink.take(line);
    },
    async close() {
      for (const sink of sinks) await sink.close();
    },
  };
}

interface Sink {
  take(line: string): void;
  close(): Promise<void>;
}

function createSink(options: {
  readonly file: AuditFile;
  readonly onWritten: (count: number) => void;
  readonly onLost: (count: number, reason: "queue_full" | "write_failed" | "closed", error: string) => void;
}): Sink {
  const { file, onWritten, onLost } = options;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let isClosed = false;
  let writing: Promise<void> | undefined;

  const takeBatch = (): string[] => {
    let bytes = 0;
    let count = 0;
    for (const line of waiting) {
      if (count > 0 && bytes + line.length > maxBatchBytes) break;
      bytes += line.length;
      count++;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    waitingBytes -= bytes;
    return batch;
  };
  const writeAll = async (): Promise<void> => {
    // The rest of this turn of the event loop joins the first batch.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = takeBatch();
      try {
        await file.append(batch.join(""));
        onWritten(batch.length);
      } catch (thrown) {
        onLost(batch.length, "write_failed", errorMessage(thrown));
      }
    }
    writing = undefined;
  };

  return {
    take(line) {
      if (isClosed || waitingBytes + line.length > maxWaitingBytes) {
        onLost(1, isClosed ? "closed" : "queue_full", isClosed ? "the log is closed" : "the disk is too slow");
        return;
      }
      waiting.push(line);
      waitingBytes += line.length;
      writing ??= writeAll();
    },
    async close() {
      isClosed = true;
      await writing;
      await file.close();
    },
  };
}

/** Two logs of one process (tests, an agent that starts again) share the series of their registry. */
function counter(registry: Registry, name: string, help: string, labelNames: string[]): Counter {
  const existing = registry.getSingleMetric(name);
  return existing instanceof Counter ? existing : new Counter({ name, help, labelNames, registers: [registry] });
}
