import type { CommandResult } from "../../../lib/contract/commands.ts";
import { type Authority, createAuthority } from "../../../server/ca/authority.ts";
import { createRoot } from "../../../server/ca/root.ts";
import type { RotationWish } from "../../../server/ca/rotation.ts";
import { createState, type State } from "../../../server/state/state.ts";
import { createTestRuntime, type TestRuntime } from "../../fakes/test-runtime.ts";

/** An authority over a real state, whose root can be replaced. */
export interface RotatingAuthority {
  readonly authority: Authority;
  readonly state: State;
  readonly runtime: TestRuntime;
  /** Has another root sign, by default one that is made. */
  rotate(wish?: RotationWish): CommandResult;
}

export function createRotatingAuthority(runtime: TestRuntime = createTestRuntime()): RotatingAuthority {
  const state = createState();
  let index = 0;
  state.apply(++index, { type: "ca-initialize", root: createRoot(runtime) });
  const authority = createAuthority({ roots: state.caRoots, datacenter: "dc1", currentIndex: () => index, runtime });
  return {
    authority,
    state,
    runtime,
    rotate(wish = { isCrossSigned: true }) {
      const { result } = state.apply(++index, authority.planRotation(wish));
      state.notify();
      return result;
    },
  };
}
