import { expect } from "bun:test";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createTestCatalog, type TestCatalog } from "./test-catalog.ts";

/** A catalog with access control, and the secret of the token that may do everything. */
export interface Managed {
  readonly catalog: TestCatalog;
  readonly secret: string;
  readonly accessor: string;
  get(url: string, token?: string): ReturnType<TestCatalog["get"]>;
  send(method: "PUT" | "DELETE" | "POST", url: string, body?: unknown, token?: string): ReturnType<TestCatalog["send"]>;
  /** A token with one policy of these rules; its secret. */
  tokenFor(rules: string): Promise<string>;
}

export async function bootstrapped(
  options: {
    readonly defaultPolicy?: "allow" | "deny";
    readonly startMs?: number;
    readonly demandsKeyList?: boolean;
  } = {},
) {
  const clock = createVirtualClock(options.startMs ?? Date.parse("2026-03-01T00:00:00Z"));
  const catalog = createTestCatalog({
    acl: { defaultPolicy: options.defaultPolicy ?? "deny", demandsKeyList: options.demandsKeyList ?? false },
    clock,
  });
  catalog.apply({ type: "acl-initialize", time: "2026-01-01T00:00:00Z" });
  const boot = await catalog.send("PUT", "/v1/acl/bootstrap");
  expect(boot.status).toBe(200);
  const { SecretID: secret = "", AccessorID: accessor = "" } = fields(boot.json);
  const send: Managed["send"] = (method, url, body, token = secret) =>
    catalog.send(method, url, body, token === "" ? {} : { "x-consul-token": token });
  let made = 0;
  const managed: Managed = {
    catalog,
    secret,
    accessor,
    get: (url, token = secret) => catalog.get(url, token === "" ? {} : { "x-consul-token": token }),
    send,
    async tokenFor(rules) {
      const Name = `p${made++}`;
      const policy = await send("PUT", "/v1/acl/policy", { Name, Rules: rules });
      expect(policy.body).toContain(Name);
      const token = await send("PUT", "/v1/acl/token", { Policies: [{ Name }] });
      return fields(token.json)["SecretID"] ?? "";
    },
  };
  return { ...managed, clock };
}

export function fields(json: unknown): Record<string, string> {
  return typeof json === "object" && json !== null ? Object.fromEntries(Object.entries(json)) : {};
}
