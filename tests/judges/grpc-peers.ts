import { join } from "node:path";
import { findProgram, goJudge, type Program } from "./programs.ts";

const node = findProgram("node");
const go = await goJudge();
const script = join(import.meta.dir, "grpc-js-peer.mjs");

/** A gRPC library that serves and checks, as a process of its own. */
export interface GrpcPeer {
  readonly name: string;
  readonly program: Program;
  readonly serve: readonly string[];
  /** Runs the checks of `grpc-contract.ts`: of a plain pair, and of policies. */
  readonly check: (target: string) => readonly string[];
  readonly checkPolicies: (target: string) => readonly string[];
}

export const grpcPeers: readonly GrpcPeer[] = [
  {
    name: "Go",
    program: go,
    serve: [go.path, "grpc-serve"],
    check: (target) => [go.path, "grpc-check", "-target", target],
    checkPolicies: (target) => [go.path, "grpc-policies", "-target", target],
  },
  {
    name: "Node.js",
    program: node,
    serve: [node.path, script, "serve"],
    check: (target) => [node.path, script, "check", target],
    checkPolicies: (target) => [node.path, script, "policies", target],
  },
];
