/**
 * Virtual time in integer microseconds. Events of the same time run in the order in which they were scheduled, so a run
 * depends on nothing but what is scheduled.
 */
export interface EventHeap {
  nowUs(): number;
  schedule(delayUs: number, run: () => void): void;
  /** Runs the next event if it is due by `untilUs`; otherwise moves the time there and answers false. */
  runNext(untilUs: number): boolean;
}

interface Event {
  readonly atUs: number;
  readonly sequence: number;
  readonly run: () => void;
}

export function createEventHeap(): EventHeap {
  const heap: Event[] = [];
  let nowUs = 0;
  let sequence = 0;

  const isBefore = (a: Event, b: Event): boolean => a.atUs < b.atUs || (a.atUs === b.atUs && a.sequence < b.sequence);

  const siftUp = (event: Event): void => {
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = event;
  };

  const siftDown = (event: Event): void => {
    let at = 0;
    for (;;) {
      const leftAt = 2 * at + 1;
      const left = heap[leftAt];
      if (left === undefined) break;
      const right = heap[leftAt + 1];
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!isBefore(child, event)) break;
      heap[at] = child;
      at = isRight ? leftAt + 1 : leftAt;
    }
    heap[at] = event;
  };

  return {
    nowUs: () => nowUs,
    schedule(delayUs, run) {
      siftUp({ atUs: nowUs + Math.max(0, Math.round(delayUs)), sequence: sequence++, run });
    },
    runNext(untilUs) {
      const event = heap[0];
      if (event === undefined || event.atUs > untilUs) {
        nowUs = Math.max(nowUs, untilUs);
        return false;
      }
      const last = heap.pop();
      if (last !== undefined && heap.length > 0) siftDown(last);
      nowUs = event.atUs;
      event.run();
      return true;
    },
  };
}
