/** How the audit log is configured, with every default filled in. */
export interface AuditSettings {
  readonly isEnabled: boolean;
  readonly sinks: readonly AuditSink[];
}

/** One series of files `<name>-<nanoseconds><extension>` beside `path`, the newest of them being written. */
export interface AuditSink {
  readonly name: string;
  readonly path: string;
  /** A file is not written on past this size, except for a single line that is longer; 0: whatever its size. */
  readonly rotateBytes: number;
  /** Nor past this age; 0: whatever its age. */
  readonly rotateDurationMs: number;
  /** How many older files are kept; 0: all of them. */
  readonly rotateMaxFiles: number;
  /** Permission bits of the files. */
  readonly mode: number;
}

export const defaultAuditMode = 0o600;
