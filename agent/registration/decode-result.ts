import { AtollError } from "../../lib/contract/error-codes.ts";
import { type SchemaIssue, formatIssues } from "../../lib/contract/schema-issues.ts";

/** What became of a document: bad input is an expected outcome, so it is a value. */
export type Decoded<T> =
  | {
      readonly ok: true;
      readonly value: T /** Paths that mean nothing here. */;
      readonly unknownFields: readonly string[];
    }
  | {
      readonly ok: false;
      /** `shape`: a field has the wrong type or range. `rules`: the fields do not make sense together. */
      readonly stage: "shape" | "rules";
      readonly issues: readonly SchemaIssue[];
    };

/** The value of a document that came over HTTP, or a 400 in Consul's words. */
export function mustDecode<T>(decoded: Decoded<T>): T {
  if (decoded.ok) return decoded.value;
  const prefix = decoded.stage === "shape" ? "Request decode failed: " : "";
  throw new AtollError("INVALID_ARGUMENT", `${prefix}${formatIssues(decoded.issues)}`);
}

/** Issues of a part of a document, under the path of that part. */
export function issuesUnder(path: string, issues: readonly SchemaIssue[]): SchemaIssue[] {
  return issues.map((issue) => ({
    path: issue.path === "" ? path : `${path}.${issue.path}`,
    message: issue.message,
  }));
}
