import { mustGet } from "../../lib/base/assert.ts";
import { type HostPattern, parseHostPattern } from "../../lib/contract/host-pattern.ts";
import type { RouteMatch } from "../../lib/contract/proxy-routes.ts";
import { compileConditions, pathOf, type RequestMatcher } from "../match/request-match.ts";
import { compileTextMatch, type TextMatcher } from "../match/text-match.ts";
import type { RequestHead } from "../message/request-head.ts";
import { HostIndex } from "./host-index.ts";

/**
 * Which of many matches is the first, in their order, that holds of a request. Matches are filed under their hosts, and under
 * their paths where those are exact; of what is filed under one request's host and path, those that could hold are looked at in
 * the order of the document. So neither the number of hosts nor that of exact paths makes a request cost more.
 */
export class RouteTable {
  /** Matches that were looked at so far. */
  examined = 0;
  readonly #hosts = new HostIndex<PathBucket>(createBucket);
  readonly #entries: readonly Entry[];
  #hasFoldedPaths = false;
  /** The lists of the request that is looked up, and how far each is read: kept, so that looking up allocates nothing. */
  readonly #lists: (readonly number[])[] = [];
  readonly #cursors: number[] = [];
  #listCount = 0;
  #path = "";
  #foldedPath = "";

  constructor(matches: readonly RouteMatch[]) {
    this.#entries = matches.map(compileEntry);
    matches.forEach(({ hosts }, i) => {
      for (const host of hosts.length === 0 ? ["*"] : hosts) {
        this.#file(mustGet(parseHostPattern(host), "hosts are checked when parsed"), i);
      }
    });
  }

  /** The index of the match, or -1. */
  find(head: RequestHead): number {
    this.#listCount = 0;
    this.#path = pathOf(head);
    this.#foldedPath = this.#hasFoldedPaths ? this.#path.toLowerCase() : "";
    this.#hosts.find(head.authority, this.#open);
    for (let i = this.#next(); i >= 0; i = this.#next()) {
      this.examined++;
      const entry = this.#entries[i];
      if (entry !== undefined && (entry.path?.(this.#path) ?? true) && entry.conditions(head)) return i;
    }
    return -1;
  }

  #file(pattern: HostPattern, i: number): void {
    const bucket = this.#hosts.at(pattern);
    const { exactPath, ignoresCase = false } = this.#entries[i] ?? {};
    this.#hasFoldedPaths ||= ignoresCase;
    const list =
      exactPath === undefined ? bucket.others : listAt(ignoresCase ? bucket.folded : bucket.exact, exactPath);
    // Two of its patterns may be the same.
    if (list.at(-1) !== i) list.push(i);
  }

  readonly #open = ({ exact, folded, others }: PathBucket): void => {
    this.#add(exact.size === 0 ? undefined : exact.get(this.#path));
    this.#add(folded.size === 0 ? undefined : folded.get(this.#foldedPath));
    this.#add(others);
  };

  #add(list: readonly number[] | undefined): void {
    if (list === undefined || list.length === 0) return;
    this.#lists[this.#listCount] = list;
    this.#cursors[this.#listCount] = 0;
    this.#listCount++;
  }

  /** The lowest index that none of the lists has given yet, or -1. */
  #next(): number {
    let next = -1;
    for (let k = 0; k < this.#listCount; k++) {
      const i = this.#lists[k]?.[this.#cursors[k] ?? 0];
      if (i !== undefined && (next < 0 || i < next)) next = i;
    }
    for (let k = 0; k < this.#listCount; k++) {
      const at = this.#cursors[k] ?? 0;
      if (this.#lists[k]?.[at] === next) this.#cursors[k] = at + 1;
    }
    return next;
  }
}

/** Of one host pattern: indexes of matches, rising. */
interface PathBucket {
  readonly exact: Map<string, number[]>;
  /** Under the path in lower case. */
  readonly folded: Map<string, number[]>;
  /** All that have to look at the path themselves. */
  readonly others: number[];
}

function createBucket(): PathBucket {
  return { exact: new Map(), folded: new Map(), others: [] };
}

function listAt(map: Map<string, number[]>, path: string): number[] {
  const known = map.get(path);
  if (known !== undefined) return known;
  const list: number[] = [];
  map.set(path, list);
  return list;
}

interface Entry {
  /** Where it is filed; then the path needs no other look. */
  readonly exactPath: string | undefined;
  readonly ignoresCase: boolean;
  readonly path: TextMatcher | undefined;
  readonly conditions: RequestMatcher;
}

function compileEntry({ path, headers, query, methods, grpc }: RouteMatch): Entry {
  const conditions = compileConditions({ headers, query, methods });
  if (grpc !== undefined) {
    const { service, method } = grpc;
    const isWhole = service !== undefined && method !== undefined;
    return {
      exactPath: isWhole ? `/${service}/${method}` : undefined,
      ignoresCase: false,
      path: isWhole ? undefined : grpcPath(service, method),
      conditions: (head) => head.grpc !== "" && conditions(head),
    };
  }
  if (path?.type === "exact") {
    const exactPath = path.ignoreCase ? path.value.toLowerCase() : path.value;
    return { exactPath, ignoresCase: path.ignoreCase, path: undefined, conditions };
  }
  const matches = path === undefined ? undefined : compileTextMatch(path);
  return { exactPath: undefined, ignoresCase: false, path: matches, conditions };
}

/** Of `/service/method`. */
function grpcPath(service: string | undefined, method: string | undefined): TextMatcher | undefined {
  if (service !== undefined) {
    const start = `/${service}/`;
    return (path) => path.startsWith(start) && path.indexOf("/", start.length) < 0;
  }
  if (method === undefined) return undefined;
  const end = `/${method}`;
  return (path) => path.endsWith(end) && path.indexOf("/", 1) === path.length - end.length;
}
