/**
 * Collects garbage at once and gives the pages to the system. For after something large that will not happen again, such as
 * reading a state from the disk, whose texts are larger than what was made of them: the collector by itself keeps the room.
 * Takes about a second for a gigabyte, in which nothing else runs.
 */
export function giveBackMemory(): void {
  Bun.gc(true);
}
