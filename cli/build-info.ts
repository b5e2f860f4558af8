import manifest from "../package.json" with { type: "json" };

/** What this executable was built from. `revision` and `date` are put in by tools/build.ts and empty when run from sources. */
export interface BuildInfo {
  readonly version: string;
  /** The git commit, with `-dirty` when the sources differed from it. */
  readonly revision: string;
  /** When that commit was made, ISO 8601, so that building it again gives the same executable. */
  readonly date: string;
  readonly runtime: string;
}

/** The release of Consul that the command line and the API behave like. */
export const consulVersion = "1.21.4";

// Replaced by string literals when the executable is built; the names do not exist otherwise.
declare const ATOLL_BUILD_REVISION: string | undefined;
declare const ATOLL_BUILD_DATE: string | undefined;

export const buildInfo: BuildInfo = {
  version: manifest.version,
  revision: typeof ATOLL_BUILD_REVISION === "undefined" ? "" : ATOLL_BUILD_REVISION,
  date: typeof ATOLL_BUILD_DATE === "undefined" ? "" : ATOLL_BUILD_DATE,
  runtime: process.versions.bun === undefined ? `Node.js ${process.version}` : `Bun ${process.versions.bun}`,
};
