import type { ForwardPolicy } from "../exchange/policy.ts";
import { FaultGate } from "../resilience/fault/fault-gate.ts";
import { HedgeStage } from "../resilience/hedge/hedge-stage.ts";
import { MirrorStage } from "../resilience/mirror/mirror-stage.ts";
import type { ShownTreatment } from "./explanation.ts";

/** What is done to requests beside sending them on, in part by chance: nothing is drawn here. */
export function shownTreatment(policy: ForwardPolicy | undefined): ShownTreatment {
  const stages = policy?.stages ?? [];
  const hedge = stages.find((stage) => stage instanceof HedgeStage);
  const mirrors = stages.filter((stage) => stage instanceof MirrorStage);
  return {
    ...(policy?.gate instanceof FaultGate && { fault: policy.gate.config }),
    ...(hedge !== undefined && { hedge: hedge.config }),
    ...(mirrors.length > 0 && { mirrors: mirrors.map(({ config }) => config) }),
  };
}
