import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";
import { metric, startProxy } from "../transport/bun-mesh.ts";
import { ask, type Address, type Asking, type Protocol, StagedApp } from "./staged-apps.ts";

/** Two sidecars with mTLS between them on real sockets, and three applications: api twice, and shadow. */
const directory = mkdtempSync(join(tmpdir(), "atoll-stages-"));
const authority = new TestAuthority();
const megabyte = "0123456789abcdef".repeat(65_536);

/** Listeners of the caller, in this order. */
const treatments = {
  delay: { fault: { delay: { fixedDelayMs: 200, percent: 100 } } },
  abort: { fault: { abort: { httpStatus: 503, percent: 100 } }, retry: { attempts: 2, on: ["5xx"] } },
  slow: { fault: { bandwidth: { limitKbps: 512, percent: 100 } } },
  mirror: { mirrors: [{ cluster: "shadow", timeoutMs: 2_000 }] },
  hedge: { hedge: { delayMs: 100, methods: ["GET", "PUT"] } },
} as const;
type Treatment = keyof typeof treatments;
const names = ["delay", "abort", "slow", "mirror", "hedge"] as const satisfies readonly Treatment[];

for (const protocol of ["http", "http2"] as const satisfies readonly Protocol[]) {
  describe(`two sidecars over ${protocol}`, () => {
    const [first, second, shadow] = [new StagedApp(), new StagedApp(), new StagedApp()];
    const stops: (() => void)[] = [];
    const addresses = new Map<Treatment, Address>();
    let admin = 0;

    beforeAll(async () => {
      for (const app of [first, second, shadow]) await app.start(protocol);
      const files = (service: string) => writeLeaf(authority.leaf(service), mkdtempSync(join(directory, service)));
      const intentions = { default: "allow", rules: [] };
      const callees = (["api", "api", "shadow"] as const).map((service, i) => {
        const app = [first, second, shadow][i];
        const callee = startProxy({
          identity: files(service),
          inbound: [{ service, listen: "127.0.0.1:0", app: `127.0.0.1:${app?.port}`, protocol, intentions }],
          admin: { listen: "127.0.0.1:0" },
        });
        stops.push(callee.stop);
        return { address: `127.0.0.1:${callee.proxy.portOf("127.0.0.1:0")}` };
      });
      const [, , forShadow] = callees;
      const caller = startProxy({
        identity: files("web"),
        outbound: names.map((name, i) => ({
          service: "api",
          listen: `127.0.0.${i + 2}:0`,
          protocol,
          // Requests prefer the first one, and go to the second when that is passed over.
          endpoints: callees.slice(0, 2).map((callee, priority) => ({ ...callee, priority })),
          clusters: [{ name: "shadow", endpoints: [forShadow] }],
          ...treatments[name],
        })),
        admin: { listen: "127.0.0.1:0" },
      });
      stops.push(caller.stop);
      admin = caller.proxy.adminPort;
      names.forEach((name, i) => {
        const host = `127.0.0.${i + 2}`;
        addresses.set(name, { host, port: caller.proxy.portOf(`${host}:0`) ?? 0 });
      });
    });

    afterAll(() => {
      for (const stop of stops) stop();
      for (const app of [first, second, shadow]) app.stop();
    });

    beforeEach(() => {
      for (const app of [first, second, shadow]) {
        app.received.length = 0;
        app.onRequest = (received) => received.answer(200, received.body);
      }
    });

    const call = (name: Treatment, options: Parameters<typeof ask>[2] = {}): Asking => {
      const address = addresses.get(name);
      if (address === undefined) throw new Error(name);
      return ask(protocol, address, options);
    };
    const counted = (name: string): Promise<number> => metric(admin, new RegExp(`^atoll_proxy_${name}`));
    const copies = (outcome: string): Promise<number> => counted(`mirrored_total\\{.*outcome="${outcome}"`);

    test("a delay comes before the application, and once", async () => {
      const beganMs = performance.now();
      const asked = call("delay", { method: "PUT", body: "late" });
      expect(await asked.answer).toEqual({ status: 200, body: "late", isWhole: true });
      expect(performance.now() - beganMs).toBeGreaterThanOrEqual(199);
      expect(first.received.length).toBe(1);
    });

    test("an abort is the proxy's, and nothing reaches the application", async () => {
      const { status, body } = await call("abort").answer;
      expect([status, body, first.received.length]).toEqual([503, "fault filter abort\n", 0]);
      expect(await counted("requests_refused_total\\{.*127.0.0.3.*fault_injected")).toBe(1);
    });

    test("half a megabyte takes its second, and a client that goes away leaves nothing", async () => {
      const body = megabyte.slice(0, 512 * 1024);
      first.onRequest = (received) => received.answer(200, body);
      const beganMs = performance.now();
      expect(await call("slow").answer).toEqual({ status: 200, body, isWhole: true });
      expect(performance.now() - beganMs).toBeGreaterThan(850);
      const gone = call("slow");
      await eventually("a response under way", async () => (await counted("fault_active\\{.*127.0.0.4")) === 1);
      gone.giveUp();
      await eventually("its end", async () => (await counted("fault_active\\{.*127.0.0.4")) === 0);
      await eventually("no bytes", async () => (await counted("buffered_bytes ")) === 0);
    });

    test("a copy has the whole body, and its answer is nobody's", async () => {
      shadow.onRequest = (received) => received.answer(500, "of the copy");
      const body = megabyte.slice(0, 200 * 1024);
      for (let round = 0; round < 3; round++) {
        const asked = call("mirror", { method: "PUT", path: `/${round}`, body });
        expect(await asked.answer).toEqual({ status: 200, body, isWhole: true });
      }
      await eventually("the copies", () => shadow.received.filter(({ hasEnded }) => hasEnded).length === 3);
      expect(shadow.received.map(({ path }) => path).toSorted()).toEqual(["/0", "/1", "/2"]);
      expect(shadow.received.every((copy) => copy.host === "api-shadow" && copy.body === body)).toBe(true);
      expect(first.received.map(({ host }) => host)).toEqual(["api", "api", "api"]);
      await eventually("their answers", async () => (await copies("answered")) === 3);
    });

    test("a copy that takes nothing holds up nobody, and has its time", async () => {
      shadow.onRequest = () => undefined;
      const before = (await copies("answered")) || 0;
      for (let round = 0; round < 5; round++) {
        const asked = call("mirror", { method: "PUT", body: megabyte });
        expect(await asked.answer).toEqual({ status: 200, body: megabyte, isWhole: true });
      }
      await eventually("the end of all", async () => {
        const [behind, timeout] = [(await copies("behind")) || 0, (await copies("timeout")) || 0];
        return behind + timeout === 5;
      });
      expect((await copies("answered")) || 0).toBe(before);
      await eventually("no bytes", async () => (await counted("buffered_bytes ")) === 0);
    });

    test("a request that is called off in the middle takes its copy along only before its body is whole", async () => {
      first.onRequest = () => undefined;
      const asked = call("mirror", { method: "PUT", body: "all of it" });
      await eventually("both", () => first.received.length === 1 && shadow.received.some(({ hasEnded }) => hasEnded));
      asked.giveUp();
      await eventually("the end of the request", () => first.received[0]?.isCut === true);
      expect(shadow.received[0]?.isCut).toBe(false);
    });

    test("a slow application is outrun by the second, and told so", async () => {
      first.onRequest = () => undefined;
      const body = megabyte.slice(0, 60 * 1024);
      const asked = call("hedge", { method: "PUT", body });
      expect(await asked.answer).toEqual({ status: 200, body, isWhole: true });
      expect(first.received.map((received) => received.body === body)).toEqual([true]);
      await eventually("the end at the loser", () => first.received[0]?.isCut === true);
      expect([await counted("hedges_total"), await counted("hedges_won_total")]).toEqual([1, 1]);
    });

    test("a fast one is asked alone, and a failure of the second is not the answer", async () => {
      expect((await call("hedge", { path: "/fast" }).answer).status).toBe(200);
      expect(second.received.length).toBe(0);
      first.onRequest = (received) => {
        second.onRequest = (other) => {
          other.answer(500, "no");
          received.answer(200, "first");
        };
      };
      expect(await call("hedge").answer).toEqual({ status: 200, body: "first", isWhole: true });
    });

    test("a request of a megabyte is sent once", async () => {
      first.onRequest = (received) => {
        setTimeout(() => received.answer(200, "in the end"), 300);
      };
      const asked = call("hedge", { method: "PUT", body: megabyte });
      expect((await asked.answer).body).toBe("in the end");
      expect(second.received.length).toBe(0);
    });

    test("a response of a megabyte comes whole from whoever won", async () => {
      first.onRequest = () => undefined;
      second.onRequest = (received) => received.answer(200, megabyte);
      expect(await call("hedge").answer).toEqual({ status: 200, body: megabyte, isWhole: true });
    });

    test("a winner that is lost in the middle cuts the response off", async () => {
      first.onRequest = () => undefined;
      second.onRequest = (received) => {
        received.answer(200, "half", false);
        setTimeout(() => received.cut(), 100);
      };
      const { status, isWhole } = await call("hedge").answer;
      expect([status, isWhole]).toEqual([200, false]);
    });

    test("a first that is lost while the second is asked is not the answer", async () => {
      first.onRequest = (received) => {
        second.onRequest = (other) => {
          received.cut();
          setTimeout(() => other.answer(200, "second"), 100);
        };
      };
      expect(await call("hedge").answer).toEqual({ status: 200, body: "second", isWhole: true });
    });

    test("a client that goes away ends both", async () => {
      first.onRequest = () => undefined;
      second.onRequest = () => undefined;
      const asked = call("hedge");
      await eventually("both", () => first.received.length === 1 && second.received.length === 1);
      asked.giveUp();
      await eventually(
        "the end of both",
        () => first.received[0]?.isCut === true && second.received[0]?.isCut === true,
      );
    });
  });
}

afterAll(() => rmSync(directory, { recursive: true }));
