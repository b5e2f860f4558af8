/** The seed of a random test: `ATOLL_TEST_SEED` to run one again, else a new one that the test prints when it fails. */
export function testSeed(): string {
  return process.env["ATOLL_TEST_SEED"] ?? String(Math.floor(Math.random() * 2 ** 32));
}

/** Runs `body` and puts the seed in front of what it throws. */
export function withSeed(seed: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    throw new Error(`ATOLL_TEST_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
