import { expect, test } from "bun:test";
import { createOwnCertificate } from "../../../server/ca/own-certificate.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createRotatingAuthority } from "./rotating-authority.ts";

test("a server's certificate stays until half of its life, and some seconds after the root has changed", async () => {
  const clock = createVirtualClock(1_800_000_000_000);
  const world = createRotatingAuthority(createTestRuntime({ clock }));
  const certificate = createOwnCertificate({ authority: world.authority, clock });
  const first = certificate();
  await clock.advance(11 * 3_600_000);
  expect(certificate()).toBe(first);
  await clock.advance(2 * 3_600_000);
  const second = certificate();
  expect(second).not.toBe(first);
  world.rotate();
  expect(certificate()).toBe(second);
  await clock.advance(9_000);
  expect(certificate()).toBe(second);
  await clock.advance(2_000);
  expect(certificate().rootId).toBe(world.authority.rootId);
  expect(second.rootId).not.toBe(world.authority.rootId);
});
