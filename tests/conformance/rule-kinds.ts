/** One authorization of each kind, as a list of what is denied and as one of what is allowed; the same conditions for limits. */
export interface AppRequest {
  readonly method: string;
  readonly path: string;
  /** Values of `x-role` as some application may understand them. */
  readonly roles: readonly string[];
}

export interface RuleKind {
  readonly name: string;
  readonly action: "deny" | "allow";
  /** Of the requests that are denied, or of those that are allowed alone. */
  readonly conditions: object;
  readonly intentions: object;
  /** Methods and fields with which every spelling is sent. */
  readonly variants: readonly { readonly method: string; readonly fields: readonly string[] }[];
  /** Whether the application has been asked for what the rule forbids, in the application's own reading. */
  readonly isForbidden: (request: AppRequest) => boolean;
  /** What must get through. */
  readonly harmless: readonly string[];
}

export const source = "spiffe://*/ns/default/dc/*/svc/web";
const plainGet = [{ method: "GET", fields: [] }] as const;
const upgrade = ["connection", "Upgrade", "upgrade", "websocket"] as const;

type Covers = (path: string) => boolean;
const paths: readonly (readonly [
  type: string,
  denied: string,
  isDenied: Covers,
  allowed: string,
  isAllowed: Covers,
])[] = [
  ["exact", "/admin", (path) => path === "/admin", "/public", (path) => path === "/public"],
  ["prefix", "/admin", (path) => path.startsWith("/admin"), "/public/", (path) => path.startsWith("/public/")],
  ["path-prefix", "/admin", isUnder("/admin"), "/public", isUnder("/public")],
  ["regex", "/admin(/.*)?", isUnder("/admin"), "/public/[^/]*", (path) => /^\/public\/[^/]*$/s.test(path)],
];

function isUnder(prefix: string): Covers {
  return (path) => path === prefix || path.startsWith(`${prefix}/`);
}

const elsewhere = ["/", "/public?x=/admin", "/a%20b", "/100%25", "/a//b", "/a;v=1/b", "/a%2Fb", "/adm", "/xadmin"];
const inPublic: Readonly<Record<string, readonly string[]>> = {
  exact: ["/public", "/public?a=%2F..%2F;//"],
  prefix: ["/public/x", "/public/a%20b", "/public//x", "/public/a;v=1/b", "/public/a%2Fb", "/public/100%25"],
  "path-prefix": ["/public", "/public/", "/public/x?y", "/public/a%2Fb;c//d"],
  regex: ["/public/", "/public/x", "/public/a%20b", "/public/.well-known"],
};

export const ruleKinds: readonly RuleKind[] = [
  ...paths.flatMap(([type, denied, isDenied, allowed, isAllowed]): RuleKind[] => [
    {
      name: `deny ${type}`,
      ...denying({ path: { type, value: denied } }),
      variants: plainGet,
      isForbidden: ({ path }) => isDenied(path),
      harmless: elsewhere,
    },
    {
      name: `allow ${type}`,
      ...allowing({ path: { type, value: allowed } }),
      variants: plainGet,
      isForbidden: ({ path }) => !isAllowed(path),
      harmless: inPublic[type] ?? [],
    },
  ]),
  {
    name: "deny header",
    ...denying({
      path: { type: "path-prefix", value: "/admin" },
      headers: [{ name: "x-role", type: "exact", value: "user" }],
    }),
    variants: [
      { method: "GET", fields: ["x-role", "user"] },
      { method: "GET", fields: ["x-role", "admin", "x-role", "user"] },
      { method: "GET", fields: ["x-role", "user", "x-role", "admin"] },
    ],
    isForbidden: ({ path, roles }) => isUnder("/admin")(path) && roles.includes("user"),
    harmless: elsewhere,
  },
  {
    name: "allow header",
    ...allowing({ headers: [{ name: "x-role", type: "exact", value: "admin", invert: true }] }),
    variants: [
      { method: "GET", fields: ["x-role", "admin"] },
      { method: "GET", fields: ["x-role", "user", "x-role", "admin"] },
      { method: "GET", fields: ["x-role", "admin", "x-role", "user"] },
    ],
    isForbidden: ({ roles }) => roles.includes("admin"),
    harmless: elsewhere,
  },
  {
    name: "deny method",
    ...denying({ path: { type: "prefix", value: "/admin" }, methods: ["GET"] }),
    variants: [...Array(7).fill(plainGet[0]), { method: "GET", fields: upgrade }],
    isForbidden: ({ method, path }) => method === "GET" && path.startsWith("/admin"),
    harmless: elsewhere,
  },
  {
    name: "allow method",
    ...allowing({ path: { type: "path-prefix", value: "/public" }, methods: ["GET"] }),
    variants: [
      { method: "GET", fields: [] },
      { method: "DELETE", fields: [] },
      { method: "DELETE", fields: upgrade },
    ],
    isForbidden: ({ method, path }) => method !== "GET" || !isUnder("/public")(path),
    harmless: inPublic["path-prefix"] ?? [],
  },
];

type Rule = Pick<RuleKind, "action" | "conditions" | "intentions">;

function denying(conditions: object): Rule {
  const rules = [{ source, permissions: [{ action: "deny", ...conditions }, { action: "allow" }] }];
  return { action: "deny", conditions, intentions: { default: "deny", rules } };
}

function allowing(conditions: object): Rule {
  const rules = [{ source, permissions: [{ action: "allow", ...conditions }] }];
  return { action: "allow", conditions, intentions: { default: "deny", rules } };
}
