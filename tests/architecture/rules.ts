import { loadedBy, type SourceFile } from "./source-graph.ts";

/** A broken rule as a person should read it: which file, what it does, and why that is not allowed. */
export type Violation = string;

interface FolderRule {
  readonly folder: string;
  /** Project folders that its files may import from, besides the folder itself; `*` for every one. */
  readonly mayImport: readonly string[];
  /** Where only types may come from. */
  readonly mayImportTypesOf?: readonly string[];
  readonly reason: string;
}

/** The longest matching folder decides. */
const folderRules: readonly FolderRule[] = [
  { folder: "lib/base", mayImport: [], reason: "lib/base has no mesh words: everything else stands on it" },
  { folder: "lib/contract", mayImport: ["lib/base"], reason: "the mesh vocabulary stands on lib/base only" },
  {
    folder: "lib/grpc",
    mayImport: ["lib/base", "lib/contract"],
    reason: "how a .proto is read and a port is served has nothing to do with what is said there",
  },
  {
    folder: "lib/client",
    mayImport: ["lib/base", "lib/contract", "lib/grpc"],
    reason: "a client knows the vocabulary, not the programs that use or answer it",
  },
  {
    folder: "lib/audit",
    mayImport: ["lib/base", "lib/contract"],
    reason: "an event is the same whoever tells of it: requests, agents, and what comes",
  },
  {
    folder: "lib/http",
    mayImport: ["lib/base", "lib/contract", "lib/api", "lib/audit"],
    reason: "the /v1 edge is shared by agent and server and so may know neither",
  },
  {
    folder: "lib/api",
    mayImport: ["lib/base", "lib/contract"],
    reason: "the reference of /v1 says what routes are for, and knows none of them",
  },
  {
    folder: "lib/acl",
    mayImport: ["lib/base", "lib/contract"],
    reason: "agent and server judge a token alike",
  },
  {
    folder: "lib/x509",
    mayImport: ["lib/base", "lib/contract"],
    reason: "certificates are read and made alike on both ends of a link",
  },
  {
    folder: "server/chain",
    mayImport: ["lib/base", "lib/contract"],
    reason: "a chain is compiled from entries alone, inside a replicated write and outside of it",
  },
  {
    folder: "server/state",
    mayImport: ["lib/base", "lib/contract", "server/chain"],
    mayImportTypesOf: ["server/log"],
    reason: "the state tables are simulated and replayed: they see commands and rows only",
  },
  {
    folder: "server/raft/core",
    mayImport: ["lib/base/assert.ts", "lib/base/errors.ts"],
    reason: "consensus is a pure machine: whatever it needs is handed in, so that it can be simulated",
  },
  {
    folder: "server/raft/shell",
    mayImport: ["lib", "server/raft/core", "server/raft/replica", "server/raft/operator-api.ts", "server/log"],
    reason: "the engine is put on disk, network and clock by those who know more: it knows no catalog and no gRPC",
  },
  {
    folder: "server/raft/replica",
    mayImport: ["lib/base/assert.ts", "lib/base/errors.ts", "server/raft/core"],
    reason: "the driver is simulated together with the core and so knows nothing of disks and networks",
  },
  {
    folder: "server",
    mayImport: ["lib"],
    reason: "a server runs without an agent and a proxy on its machine",
  },
  {
    folder: "agent",
    mayImport: ["lib"],
    reason: "an agent reaches servers and proxies over lib/client and a socket, never by import",
  },
  {
    folder: "proxy/message",
    mayImport: ["lib/base", "lib/contract"],
    reason: "what a message is stands below every protocol that carries it",
  },
  {
    folder: "proxy/exchange",
    mayImport: ["lib/base", "lib/contract", "proxy/message"],
    mayImportTypesOf: ["proxy"],
    reason: "an exchange sees the two ends of its seam, never a codec",
  },
  {
    folder: "proxy",
    mayImport: ["lib/base", "lib/contract"],
    reason: "a proxy must start in milliseconds with little memory, with and without a control plane",
  },
  {
    folder: "cli",
    mayImport: ["lib", "server", "agent", "proxy"],
    reason: "cli holds the entry points of the programs",
  },
  { folder: "tools", mayImport: ["lib", "cli"], reason: "tools drive the programs from outside" },
  { folder: "tests", mayImport: ["*"], reason: "tests see everything" },
];

/** Folders that may not reach each other at all, however long the chain of imports. */
const strangers: readonly { readonly a: string; readonly b: string; readonly reason: string }[] = [
  {
    a: "proxy/inbound",
    b: "proxy/outbound",
    reason: "each side of the proxy is understood and tested without the other",
  },
  {
    a: "proxy/http1",
    b: "proxy/http2",
    reason: "the protocols meet in the canonical message and nowhere else",
  },
];

interface PackageRule {
  readonly packages: RegExp;
  /** Folders or files that may import them. */
  readonly allowedIn: readonly string[];
  readonly reason: string;
}

const packageRules: readonly PackageRule[] = [
  {
    packages: /^(?:fastify$|@fastify\/)/,
    allowedIn: ["lib/http", "server/http", "agent/http", "tests"],
    reason: "HTTP routes are a thin layer in the http folders",
  },
  { packages: /^(?:level|classic-level)$/, allowedIn: ["server/log", "tests"], reason: "one engine owns the database" },
  {
    packages: /^(?:@grpc\/|protobufjs$)/,
    allowedIn: [
      "lib/grpc",
      "lib/client",
      "server/rpc",
      "server/grpc",
      "agent/grpc",
      "agent/checks/grpc-probe.ts",
      "tests",
    ],
    reason:
      "the link between machines has two ends; only the listeners for Consul's clients and a check of a gRPC server speak it too",
  },
  {
    packages: /^jose$/,
    allowedIn: ["proxy/authz/jwt", "server/login", "tests"],
    reason: "tokens are verified in one place of each program",
  },
  {
    packages: /^node-forge$/,
    allowedIn: ["lib/x509", "server/ca", "agent/identity", "tests"],
    reason: "certificates are made in one place",
  },
  {
    packages: /^bun(?::|$)/,
    allowedIn: ["proxy/transport", "lib/base/give-back-memory.ts", "tools", "tests"],
    reason: "everything but the proxy's transport must be able to run on Node.js",
  },
];

/** What a folder's files may not load, not even through another file. */
const loadRules: readonly PackageRule[] = [
  {
    packages: /^(?:fastify$|@fastify\/|level$|classic-level$|@grpc\/|protobufjs$|node-forge$)/,
    allowedIn: ["proxy", "cli/proxy.ts", "cli/main.ts"],
    reason: "a proxy may not pay the start-up time and memory of the servers' HTTP framework, storage, RPC and ASN.1",
  },
  {
    packages: /^(?:node:(?!assert|util)|bun)/,
    allowedIn: ["server/raft/core", "server/raft/replica"],
    reason: "core and replica are run by the simulator: no I/O of any kind",
  },
  {
    packages: /^(?:node:|bun)/,
    allowedIn: ["proxy/http2"],
    reason: "a codec is given bytes and the time and nothing else, so that every split and schedule can be tested",
  },
  {
    packages: /^(?:node:(?!assert|util)|bun)/,
    allowedIn: ["server/state"],
    reason: "state is synchronous and free of I/O, so that every server computes the same from the same log",
  },
];

interface GlobalRule {
  readonly pattern: RegExp;
  readonly allowedIn: readonly string[];
  readonly instead: string;
}

const entryPoints = ["lib/base", "cli", "tools", "tests"];
const globalRules: readonly GlobalRule[] = [
  {
    pattern:
      /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|(?<!\.)\bset(?:Timeout|Interval)\(|\bAbortSignal\.timeout\(/,
    allowedIn: entryPoints,
    instead: "use the clock that is handed in, so that the code can run on a virtual one",
  },
  {
    pattern: /\bMath\.random\(|\brandomUUID\b|\brandomBytes\b|\bgetRandomValues\b/,
    allowedIn: entryPoints,
    instead: "use the random source that is handed in, so that a run can be replayed from its seed",
  },
  { pattern: /\bprocess\.env\b/, allowedIn: entryPoints, instead: "let the entry point read the environment" },
  { pattern: /\bconsole\./, allowedIn: entryPoints, instead: "use the logger that is handed in" },
  {
    pattern: /\bBun\./,
    allowedIn: ["proxy/transport", "lib/base/give-back-memory.ts", "tools", "tests"],
    instead: "use a node: API: only the proxy's transport and giving memory back are bound to Bun",
  },
];

const maxLines = 400;

/** Everything that breaks a rule, in the order of the files. */
export function findViolations(files: readonly SourceFile[]): Violation[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return [
    ...files.flatMap((file) => [
      ...missingFiles(file, byPath),
      ...folderViolations(file),
      ...packageViolations(file),
      ...loadViolations(file, byPath),
      ...globalViolations(file),
      ...shapeViolations(file),
    ]),
    ...strangerViolations(files, byPath),
    ...cycleViolations(files, byPath),
  ];
}

function missingFiles(file: SourceFile, byPath: ReadonlyMap<string, SourceFile>): Violation[] {
  return file.imports
    .filter(({ isProjectFile, target }) => isProjectFile && target.endsWith(".ts") && !byPath.has(target))
    .map(({ target }) => `${file.path} imports ${target}, which does not exist`);
}

function folderViolations(file: SourceFile): Violation[] {
  const rule = longestMatch(file.path);
  if (rule === undefined) return [`${file.path} is in a folder without an import rule: add one to the table`];
  return file.imports
    .filter(({ isProjectFile, target }) => isProjectFile && target.endsWith(".ts"))
    .filter(({ target, isTypeOnly }) => {
      const allowed = [rule.folder, ...rule.mayImport, ...(isTypeOnly ? (rule.mayImportTypesOf ?? []) : [])];
      return !allowed.some((folder) => folder === "*" || isIn(target, folder));
    })
    .map(({ target }) => {
      const allowed = rule.mayImport.length === 0 ? "no other folder" : rule.mayImport.join(", ");
      return `${file.path} imports ${target}; ${rule.folder} may import ${allowed}: ${rule.reason}`;
    });
}

function longestMatch(path: string): FolderRule | undefined {
  return folderRules
    .filter(({ folder }) => isIn(path, folder))
    .toSorted((a, b) => b.folder.length - a.folder.length)[0];
}

function packageViolations(file: SourceFile): Violation[] {
  return packageRules
    .filter(({ allowedIn }) => !allowedIn.some((place) => isIn(file.path, place)))
    .flatMap((rule) =>
      file.imports
        .filter(({ isProjectFile, target }) => !isProjectFile && rule.packages.test(target))
        .map(({ target }) => `${file.path} imports ${target}, allowed in ${rule.allowedIn.join(", ")}: ${rule.reason}`),
    );
}

function loadViolations(file: SourceFile, byPath: ReadonlyMap<string, SourceFile>): Violation[] {
  return loadRules
    .filter(({ allowedIn }) => allowedIn.some((place) => isIn(file.path, place)))
    .flatMap((rule) =>
      [...loadedBy(file.path, byPath)]
        .filter(([target]) => !byPath.has(target) && rule.packages.test(target))
        .map(([, chain]) => `${chain.join(" -> ")}: ${rule.reason}`),
    );
}

function globalViolations(file: SourceFile): Violation[] {
  const lines = file.code.split("\n");
  return globalRules
    .filter(({ allowedIn }) => !allowedIn.some((place) => isIn(file.path, place)))
    .flatMap((rule) =>
      lines.flatMap((line, i) => {
        const found = rule.pattern.exec(line)?.[0].replace(/[.(]$/, "");
        return found === undefined ? [] : [`${file.path}:${i + 1} uses ${found}: ${rule.instead}`];
      }),
    );
}

function shapeViolations(file: SourceFile): Violation[] {
  const lineCount = file.text.split("\n").length - 1;
  return [
    ...(lineCount > maxLines ? [`${file.path} has ${lineCount} lines, over ${maxLines}: split it by idea`] : []),
    ...(!file.path.endsWith(".d.ts") && /^export default\b/m.test(file.code)
      ? [`${file.path} has a default export: name it, so that every importer calls it the same`]
      : []),
  ];
}

function strangerViolations(files: readonly SourceFile[], byPath: ReadonlyMap<string, SourceFile>): Violation[] {
  return strangers.flatMap(({ a, b, reason }) =>
    [
      { from: a, to: b },
      { from: b, to: a },
    ].flatMap(({ from, to }) =>
      files
        .filter((file) => isIn(file.path, from))
        .flatMap((file) => {
          const typed = file.imports.filter(({ isTypeOnly, target }) => isTypeOnly && isIn(target, to));
          const chains = [...loadedBy(file.path, byPath)]
            .filter(([target]) => isIn(target, to))
            .map(([, chain]) => chain);
          return [...typed.map(({ target }) => [file.path, target]), ...chains.slice(0, 1)];
        })
        .map((chain) => `${chain.join(" -> ")}: ${reason}`),
    ),
  );
}

/** One violation per file that loads itself, shortest chain; type-only imports may be mutual. */
function cycleViolations(files: readonly SourceFile[], byPath: ReadonlyMap<string, SourceFile>): Violation[] {
  return files.flatMap((file) => {
    for (const [path, chain] of loadedBy(file.path, byPath)) {
      const isBack = byPath
        .get(path)
        ?.imports.some(({ target, isTypeOnly, isDynamic }) => target === file.path && !isTypeOnly && !isDynamic);
      if (isBack)
        return [`${[...chain, file.path].join(" -> ")}: a cycle, so neither can be understood or loaded first`];
    }
    return [];
  });
}

function isIn(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}
