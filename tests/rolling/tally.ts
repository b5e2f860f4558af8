/** What became of the requests of one kind of client during one kind of change. */
export interface Tally {
  sent: number;
  failed: number;
  /** Took so long that a first packet must have been sent twice (a second on Linux). */
  late: number;
  /** The first few, in words. */
  readonly problems: string[];
}

export function newTally(): Tally {
  return { sent: 0, failed: 0, late: 0, problems: [] };
}

const lateMs = 900;
const maxProblems = 5;

/** Runs one request and counts it; the request rejects with what went wrong. */
export async function counted(tally: Tally, request: () => Promise<void>): Promise<void> {
  const startedMs = performance.now();
  tally.sent++;
  try {
    await request();
  } catch (thrown) {
    tally.failed++;
    if (tally.problems.length < maxProblems)
      tally.problems.push(thrown instanceof Error ? thrown.message : String(thrown));
  }
  if (performance.now() - startedMs > lateMs) tally.late++;
}
