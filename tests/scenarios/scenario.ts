import type {
  ConfigStep,
  CoreConfig,
  Entry,
  Membership,
  Message,
  NodeId,
  ProposeOutcome,
} from "../../server/raft/core/types.ts";
import { formatEntries, formatMembership, formatMessage } from "./format.ts";
import { ScenarioServer } from "./server.ts";

/** `deliver b from=a drop`: the words behind the command, `key=value` apart from the others. */
export interface Command {
  readonly name: string;
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

const maxTurns = 1_000;

/** The servers, the network between them and what the commands of a scenario file do to them. */
export class Scenario {
  readonly #servers = new Map<NodeId, ScenarioServer>();
  #network: Message[] = [];
  #groups: readonly (readonly NodeId[])[] = [];
  #config: Partial<CoreConfig> = {};

  /** Runs one command and returns what is to be seen. */
  run(command: Command): string[] {
    const { name, words, options } = command;
    const server = (): ScenarioServer => this.#server(words[0] ?? "");
    switch (name) {
      case "config":
        this.#config = Object.fromEntries([...options].map(([key, value]) => [key, Number(value)]));
        return [];
      case "add-nodes":
        return this.#addNodes(words, listOf(options.get("learners")));
      case "add-empty":
        return this.#addEmpty(words, listOf(options.get("voters")));
      case "campaign":
        server().core.campaign();
        return [];
      case "propose":
        return words.slice(1).map((data) => formatOutcome(server().core.propose(data)));
      case "propose-change":
        return [formatOutcome(server().core.proposeChange({ type: "change", steps: stepsOf(words.slice(1)) }))];
      case "transfer":
        return [formatOutcome(server().core.transferLeadership(options.get("to") ?? ""))];
      case "step-down":
        server().core.stepDown();
        return [];
      case "read":
        for (const id of words.slice(1)) server().core.readIndex(Number(id));
        return [];
      case "tick":
        for (let i = 0; i < Number(options.get("count") ?? 1); i++) server().core.tick();
        return [];
      case "ready":
        return server().ready(this.#network);
      case "store":
        server().store(this.#network, options.has("count") ? Number(options.get("count")) : undefined);
        return [];
      case "apply":
        server().apply();
        return [];
      case "compact":
        server().compact(Number(options.get("index")));
        return [];
      case "restart":
        server().restart();
        return [];
      case "send-snapshot":
        return this.#sendSnapshot(server(), options.get("to") ?? "", words.includes("lost"));
      case "inject":
        return this.#inject(words, options);
      case "partition":
        this.#groups = words.map((group) => listOf(group));
        return [];
      case "deliver":
        return this.#deliver(words, options);
      case "pending":
        return this.#network.map(formatMessage);
      case "stabilize":
        return this.#stabilize(
          words.filter((word) => word !== "quiet"),
          words.includes("quiet"),
        );
      case "run-ticks":
        return this.#runTicks(words, Number(options.get("count")));
      case "status":
        return (words.length === 0 ? [...this.#servers.keys()] : words).map((id) => this.#status(id));
      case "progress":
        return server()
          .core.progress()
          .map(({ node, state, match, next }) => `${node} ${state} match=${match} next=${next}`);
      case "log":
        return [formatEntries(server().core.entriesFrom(server().core.firstIndex, Number.POSITIVE_INFINITY))];
      default:
        throw new Error(`no command ${name}`);
    }
  }

  #server(id: NodeId): ScenarioServer {
    const server = this.#servers.get(id);
    if (server === undefined) throw new Error(`no server "${id}"`);
    return server;
  }

  #addNodes(voters: readonly NodeId[], learners: readonly NodeId[]): string[] {
    const all = [...voters, ...learners];
    for (const id of all) this.#servers.set(id, new ScenarioServer(id, membershipOf(voters, learners), this.#config));
    return [];
  }

  /** Servers that were started to join: they know who else there is, at best. */
  #addEmpty(ids: readonly NodeId[], voters: readonly NodeId[]): string[] {
    for (const id of ids) this.#servers.set(id, new ScenarioServer(id, membershipOf(voters, []), this.#config));
    return [];
  }

  #sendSnapshot(from: ScenarioServer, to: NodeId, isLost: boolean): string[] {
    const snapshot = from.snapshot();
    const message: Message = { type: "snapshot", from: from.id, to, term: from.core.status.term, snapshot };
    if (!isLost) this.#network.push(message);
    from.core.reportSnapshot(to, { isSent: !isLost, index: snapshot.index });
    return [`${isLost ? "lost" : "staged"} ${formatMessage(message)}`];
  }

  /** A message that nobody sent just now: an old one that the network kept, or a stranger's. */
  #inject(words: readonly string[], options: ReadonlyMap<string, string>): string[] {
    const number = (key: string): number => Number(options.get(key) ?? 0);
    const base = { from: words[1] ?? "", to: words[2] ?? "", term: number("term") };
    const vote = { ...base, lastIndex: number("last-index"), lastTerm: number("last-term"), isTransfer: false };
    const entries = listOf(options.get("entries")).map(parseEntry);
    const prev = parsePosition(options.get("prev") ?? "0/0");
    const append = { ...base, entries, prevIndex: prev.index, prevTerm: prev.term, commit: number("commit") };
    const granted = { ...base, isGranted: true, commit: 0, commitTerm: 0 };
    const made: Record<string, Message> = {
      append: { ...append, type: "append" },
      "pre-vote": { ...vote, type: "pre-vote" },
      vote: { ...vote, type: "vote" },
      "pre-vote-response": { ...granted, type: "pre-vote-response" },
      "vote-response": { ...granted, type: "vote-response" },
      heartbeat: { ...base, type: "heartbeat", commit: number("commit"), round: number("round") },
      "heartbeat-response": { ...base, type: "heartbeat-response", round: number("round") },
    };
    const message = made[words[0] ?? ""];
    if (message === undefined) throw new Error(`cannot inject a ${words[0]}`);
    this.#network.push(message);
    return [];
  }

  /** Delivers what waits for the named servers, or for all; `drop`, `from=`, `type=` and `keep` choose. */
  #deliver(words: readonly string[], options: ReadonlyMap<string, string>): string[] {
    const isDropped = words.includes("drop");
    const targets = words.filter((word) => word !== "drop");
    const isChosen = (message: Message): boolean =>
      (targets.length === 0 || targets.includes(message.to)) &&
      (!options.has("from") || options.get("from") === message.from) &&
      (!options.has("type") || options.get("type") === message.type);
    const chosen = this.#network.filter(isChosen);
    this.#network = this.#network.filter((message) => !isChosen(message));
    return chosen.map((message) => {
      const isLost = isDropped || this.#isCut(message);
      if (!isLost) this.#servers.get(message.to)?.core.step(message);
      return `${isLost ? "lost" : "delivered"} ${formatMessage(message)}`;
    });
  }

  #isCut({ from, to }: Message): boolean {
    if (this.#groups.length === 0) return false;
    return !this.#groups.some((group) => group.includes(from) && group.includes(to));
  }

  /** Lets the named servers, or all, work and talk until nothing is left to do. */
  #stabilize(words: readonly string[], isQuiet: boolean): string[] {
    const ids = words.length === 0 ? [...this.#servers.keys()] : words;
    const lines: string[] = [];
    for (let turn = 0; turn < maxTurns; turn++) {
      const before = lines.length;
      let isBusy = false;
      for (const id of ids) {
        const server = this.#server(id);
        lines.push(...server.ready(this.#network));
        isBusy = server.store(this.#network) || isBusy;
        isBusy = server.apply() || isBusy;
      }
      const received = this.#deliver(ids, new Map());
      lines.push(...received.filter((line) => line.startsWith("lost")));
      if (lines.length === before && received.length === 0 && !isBusy) return isQuiet ? [] : lines;
    }
    throw new Error("the servers do not come to rest");
  }

  /** Ticks the named servers, or all, one after the other, and lets everything settle after each. */
  #runTicks(words: readonly string[], count: number): string[] {
    for (let i = 0; i < count; i++) {
      for (const id of words.length === 0 ? this.#servers.keys() : words) this.#server(id).core.tick();
      this.#stabilize([], true);
    }
    return [];
  }

  #status(id: NodeId): string {
    const { core } = this.#server(id);
    const { role, term, leader } = core.status;
    const at = `last=${core.lastIndex} commit=${core.commitIndex} applied=${core.appliedIndex}`;
    return `${id} ${role} term=${term} leader=${leader || "unknown"} ${at} ${formatMembership(core.membership)}`;
  }
}

function listOf(text: string | undefined): readonly NodeId[] {
  return text === undefined || text === "" ? [] : text.split(",");
}

/** `3/1` is entry 3 of term 1. */
function parsePosition(text: string): { readonly index: number; readonly term: number } {
  const [index = "", term = ""] = text.split("/");
  return { index: Number(index), term: Number(term) };
}

/** `3/1:x` is the same with the command x. */
function parseEntry(text: string): Entry {
  const [at = "", data = ""] = text.split(":");
  return { ...parsePosition(at), kind: "command", data };
}

function membershipOf(voters: readonly NodeId[], learners: readonly NodeId[]): Membership {
  return { voters, outgoing: [], learners, learnersNext: [], removed: [], addresses: {} };
}

function stepsOf(words: readonly string[]): ConfigStep[] {
  const steps: ConfigStep[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    const action = words[i] ?? "";
    const node = words[i + 1] ?? "";
    if (action === "remove") steps.push({ action, node });
    else if (action === "add-voter" || action === "add-learner" || action === "set-address") {
      steps.push({ action, node, address: `${node}.test:8300` });
    } else throw new Error(`no step ${action}`);
  }
  return steps;
}

function formatOutcome(outcome: ProposeOutcome): string {
  return outcome.ok ? `accepted ${outcome.index}/${outcome.term}` : `refused ${outcome.reason}: ${outcome.message}`;
}
