import type { ProxyConfig } from "./proxy-config.ts";
import type { EntryChange } from "./proxy-config-reader.ts";

/**
 * The unix socket between an agent and its proxies carries one JSON object per line. The proxy dials, says hello and gets
 * the newest configuration; after that the agent pushes each newer version and the proxy answers what became of it.
 */
export type ProxyToAgent =
  | {
      readonly type: "hello";
      readonly proxyId: string;
      readonly pid: number;
      readonly version: number;
      /** What its executable was built from; absent from proxies that do not say it, empty when run from sources. */
      readonly revision?: string;
      /** It understands `changes`; absent from proxies of earlier builds. */
      readonly takesChanges?: boolean;
    }
  | { readonly type: "applied"; readonly version: number }
  /** A new process shall take over from this one. */
  | { readonly type: "replace" }
  | { readonly type: "rejected"; readonly version: number; readonly message: string };

export type AgentToProxy =
  /** `version` grows with every change; a proxy ignores one that it has already. */
  | {
      readonly type: "config";
      readonly version: number;
      readonly config: ProxyConfig;
      /** Who said what, by path in the document: of `sourcesByPath`. What is under no path is a default. */
      readonly sources?: Readonly<Record<string, string>>;
    }
  /**
   * `version` is `base` with some of its listeners replaced: what a change of endpoints is, in a document of any size. A proxy that
   * has another version in force rejects it and gets the whole document.
   */
  | {
      readonly type: "changes";
      readonly version: number;
      readonly base: number;
      readonly entries: readonly EntryChange[];
      /** Absent when nobody else said anything. */
      readonly sources?: Readonly<Record<string, string>>;
    }
  /** The proxy drains and exits: its sidecar was deregistered, the agent leaves, or a successor serves. */
  | { readonly type: "stop"; readonly drainMs: number };

/** A line longer than this ends the connection. */
export const maxSocketLineBytes = 64 * 1024 * 1024;
