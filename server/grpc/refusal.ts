import type { status } from "@grpc/grpc-js";

/** A status that no error code of ours stands for: over HTTP nobody is asked who they are, only what they may. */
export class Refusal extends Error {
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}
