import { expect, test } from "bun:test";
import type { Command } from "../../../lib/contract/commands.ts";
import type { ConfigEntry } from "../../../lib/contract/config-entries.ts";
import type { TransactionOperation } from "../../../lib/contract/transactions.ts";
import { deregisterCommand, registerCommand, serviceFields, sidecarFields } from "./records.ts";
import { createStateHarness, type StateHarness } from "./state-harness.ts";

function offsetOf(harness: StateHarness, service: string): number | undefined {
  return harness.reader.virtualIp(service).value?.Offset;
}

function addressOf(harness: StateHarness, service: string): unknown {
  return harness.reader.connectInstances(service).value.map(({ Service }) => Service.TaggedAddresses["consul-virtual"]);
}

const sidecar = (destination: string) => registerCommand("n1", { service: sidecarFields(destination) });
const removal = (destination: string) => deregisterCommand("n1", { serviceId: `${destination}-sidecar-proxy` });

test("a mesh service has an address in 240.0.0.0/4 with the port of the instance", () => {
  const harness = createStateHarness();
  harness.accept(registerCommand("n1", { service: serviceFields("plain") }));
  harness.accept(sidecar("web"));
  harness.accept(registerCommand("n1", { service: serviceFields("db", { Connect: { Native: true } }) }));
  expect(offsetOf(harness, "plain")).toBeUndefined();
  expect(addressOf(harness, "web")).toEqual([{ Address: "240.0.0.1", Port: 21_000 }]);
  expect(addressOf(harness, "db")).toEqual([{ Address: "240.0.0.2", Port: 8080 }]);
});

test("an address that a registration brings along is not believed", () => {
  const harness = createStateHarness();
  const forged = { "consul-virtual": { Address: "10.0.0.1", Port: 1 }, lan: { Address: "10.0.0.2", Port: 2 } };
  harness.accept(registerCommand("n1", { service: serviceFields("plain", { TaggedAddresses: forged }) }));
  harness.accept(registerCommand("n1", { service: sidecarFields("web", { TaggedAddresses: forged }) }));
  const [plain] = harness.reader.serviceInstances("plain").value;
  expect(plain?.Service.TaggedAddresses).toEqual({ lan: { Address: "10.0.0.2", Port: 2 } });
  expect(addressOf(harness, "web")).toEqual([{ Address: "240.0.0.1", Port: 21_000 }]);
});

test("the same registration again moves no index", () => {
  const harness = createStateHarness();
  harness.accept(sidecar("web"));
  const before = harness.reader.connectInstances("web").index;
  harness.accept(sidecar("web"));
  expect(harness.reader.connectInstances("web").index).toBe(before);
  expect(harness.reader.virtualIp("web").index).toBe(before);
});

test("a service that was gone comes back under its address, and others do not get it meanwhile", () => {
  const harness = createStateHarness();
  harness.accept(sidecar("web"));
  harness.accept(removal("web"));
  harness.accept(sidecar("api"));
  harness.accept(sidecar("web"));
  expect([offsetOf(harness, "web"), offsetOf(harness, "api")]).toEqual([1, 2]);
});

test("of services that are gone the latest 4096 are remembered, and their numbers are not given again soon", () => {
  const harness = createStateHarness();
  const count = 4_100;
  for (let i = 1; i <= count; i++) {
    harness.accept(sidecar(`s${i}`));
    harness.accept(removal(`s${i}`));
  }
  expect(offsetOf(harness, "s4")).toBeUndefined();
  expect(offsetOf(harness, "s5")).toBe(5);
  harness.accept(sidecar("s1"));
  expect(offsetOf(harness, "s1")).toBe(count + 1);
});

test("a restored state goes on where the numbers were", () => {
  const harness = createStateHarness();
  for (const name of ["a", "b", "c"]) harness.accept(sidecar(name));
  harness.accept(removal("c"));
  const restored = createStateHarness();
  restored.state.restore(harness.reader.appliedIndex(), harness.storedRows());
  restored.state.apply(harness.reader.appliedIndex() + 1, sidecar("d"));
  expect(offsetOf(restored, "d")).toBe(4);
});

test("manual addresses are of one service each", () => {
  const harness = createStateHarness();
  harness.accept(sidecar("web"));
  harness.accept(sidecar("api"));
  const give = (service: string, ...addresses: string[]) =>
    harness.apply({ type: "virtual-ip-manual", service, addresses });
  const manual = (service: string) => harness.reader.virtualIp(service).value?.ManualIPs;
  expect(give("web", "10.0.0.1", "10.0.0.2")).toEqual({ ok: true, applied: true });
  expect(give("api", "10.0.0.2")).toEqual({ ok: true, applied: true });
  expect([manual("web"), manual("api")]).toEqual([["10.0.0.1"], ["10.0.0.2"]]);
  expect(harness.reader.manualIpHolder("10.0.0.2")).toBe("api");
  expect(give("nobody", "10.0.0.2")).toEqual({ ok: true, applied: false });
  expect(give("web", "10.0.0.256")).toMatchObject({ ok: false, message: '"10.0.0.256" is not a valid IPv4 address' });
  expect(give("web", ...Array.from({ length: 9 }, (_, i) => `10.0.1.${i}`))).toMatchObject({
    ok: false,
    message: "cannot associate more than 8 manual virtual IPs with the same service",
  });
});

test("nodes and services are found by address, the node's own before them", () => {
  const harness = createStateHarness();
  harness.accept(registerCommand("n1", { service: serviceFields("web", { Address: "10.0.0.9" }) }));
  harness.accept(registerCommand("n2", { service: serviceFields("api", { Address: "10.0.0.9" }) }));
  harness.accept(registerCommand("n3", { service: serviceFields("db", { Address: "10.0.0.1" }) }));
  const holders = harness.reader.addressHolders();
  expect(holders.get("10.0.0.9")).toEqual({ services: ["api", "web"] });
  expect(holders.get("10.0.0.1")).toMatchObject({ services: ["db"], node: { Node: "n1" } });
  expect(holders.get("10.0.0.2")).toBeUndefined();
});

test("a transaction gives numbers to all of its services, and takes them back when it fails", () => {
  const harness = createStateHarness();
  harness.accept(registerCommand("n1"));
  harness.accept(sidecar("first"));
  const set = (destination: string): TransactionOperation => {
    const fields = sidecarFields(destination);
    return { type: "service", verb: "set", node: "n1", id: fields.ID, index: 0, fields };
  };
  const transaction = (operations: TransactionOperation[]): Command => ({ type: "txn", id: "t", operations });
  const before = JSON.stringify([...harness.state.dump()]);
  const fails: TransactionOperation = { type: "check", verb: "get", node: "n1", id: "none", index: 0 };
  expect(harness.apply(transaction([set("b"), set("a"), fails]))).toMatchObject({ applied: false });
  expect(JSON.stringify([...harness.state.dump()])).toBe(before);
  harness.accept(transaction([set("b"), set("a")]));
  expect([offsetOf(harness, "b"), offsetOf(harness, "a")]).toEqual([2, 3]);
  // Loaded in another order than they were given.
  const restored = createStateHarness();
  restored.state.restore(harness.reader.appliedIndex(), harness.storedRows().toReversed());
  restored.state.apply(harness.reader.appliedIndex() + 1, sidecar("c"));
  expect(offsetOf(restored, "c")).toBe(4);
});

test("a name that entries route, split or resolve has an address without any instance", () => {
  const harness = createStateHarness();
  const entry: ConfigEntry = {
    Kind: "service-resolver",
    Name: "legacy",
    Meta: {},
    DefaultSubset: "",
    Subsets: {},
    Redirect: { Service: "web", ServiceSubset: "" },
    Failover: {},
    ConnectTimeoutMs: 0,
    RequestTimeoutMs: 0,
  };
  harness.accept({ type: "config-entry-upsert", entry });
  expect(offsetOf(harness, "legacy")).toBe(1);
  harness.accept(sidecar("legacy"));
  harness.accept({ type: "config-entry-delete", kind: "service-resolver", name: "legacy" });
  expect(harness.reader.virtualIp("legacy").value?.UnusedSince).toBe(0);
  harness.accept(removal("legacy"));
  expect(harness.reader.virtualIp("legacy").value?.UnusedSince).toBeGreaterThan(0);
});
