import type { OutlierDetectionConfig } from "../../../lib/contract/proxy-outlier.ts";
import type { Detection, EjectionReason } from "./ejection-reasons.ts";
import { Tally } from "./success-rates.ts";

/** `probation`: back for one request at a time, the first answer to which decides. */
export type OutlierState = "in" | "ejected" | "probation";

export type OutlierChange =
  | { readonly to: "ejected"; readonly reason: EjectionReason; readonly forMs: number }
  | { readonly to: "probation" }
  | { readonly to: "in" };

/** What a host asks of its detector. */
export interface OutlierJudge {
  readonly config: OutlierDetectionConfig;
  onDetected(host: OutlierHost, detection: Detection): void;
  onProbationEnded(host: OutlierHost, isSuccess: boolean): void;
}

/** What becomes of the requests to one endpoint, as far as outlier detection needs to know. Counting allocates nothing. */
export class OutlierHost {
  state: OutlierState = "in";
  /** Ejections that are still remembered: each lasts so many times the base time. */
  backoff = 0;
  /** When the ejection is over. */
  untilMs = 0;
  readonly answers = new Tally();
  /** Of connections and timeouts, where they are told apart. */
  readonly local = new Tally();
  readonly onChange: (change: OutlierChange) => void;
  readonly #judge: OutlierJudge;
  #consecutive5xx = 0;
  #consecutiveGateway = 0;
  #consecutiveLocal = 0;

  constructor(judge: OutlierJudge, onChange: (change: OutlierChange) => void) {
    this.#judge = judge;
    this.onChange = onChange;
  }

  /** It has answered; `status` is that of HTTP, or what one of gRPC is in terms of HTTP. */
  onAnswer(status: number): void {
    if (this.#isDecided(status < 500)) return;
    if (this.#judge.config.splitExternalLocalOriginErrors) this.#countLocal(true);
    this.#countAnswer(status);
  }

  /** No connection could be had, or one was lost with a request on it. */
  onConnectionFailed(): void {
    this.#countOwn(503);
  }

  /** No answer came in time. */
  onTimeout(): void {
    this.#countOwn(504);
  }

  /** A connection stands, and that is all that could be wanted of it: where no requests are read. */
  onConnected(): void {
    this.#countOwn(200);
  }

  /** So that one who comes back is not sent away for what was before. */
  forget(): void {
    this.#consecutive5xx = 0;
    this.#consecutiveGateway = 0;
    this.#consecutiveLocal = 0;
  }

  /** What this proxy has seen of the connection; `status` is what that counts as beside answers. */
  #countOwn(status: number): void {
    if (this.#isDecided(status < 500)) return;
    if (this.#judge.config.splitExternalLocalOriginErrors) this.#countLocal(status < 500);
    else this.#countAnswer(status);
  }

  #countAnswer(status: number): void {
    const isFailure = status >= 500;
    this.answers.add(!isFailure);
    if (!isFailure) {
      this.#consecutive5xx = 0;
      this.#consecutiveGateway = 0;
      return;
    }
    const { consecutive5xx, consecutiveGatewayFailure } = this.#judge.config;
    this.#consecutiveGateway = status >= 502 && status <= 504 ? this.#consecutiveGateway + 1 : 0;
    this.#consecutive5xx++;
    if (isReached(this.#consecutiveGateway, consecutiveGatewayFailure)) {
      this.#consecutiveGateway = 0;
      this.#judge.onDetected(this, "consecutive_gateway_failure");
    }
    if (isReached(this.#consecutive5xx, consecutive5xx)) {
      this.#consecutive5xx = 0;
      this.#judge.onDetected(this, "consecutive_5xx");
    }
  }

  #countLocal(isSuccess: boolean): void {
    this.local.add(isSuccess);
    this.#consecutiveLocal = isSuccess ? 0 : this.#consecutiveLocal + 1;
    if (!isReached(this.#consecutiveLocal, this.#judge.config.consecutiveLocalOriginFailure)) return;
    this.#consecutiveLocal = 0;
    this.#judge.onDetected(this, "consecutive_local_origin_failure");
  }

  /** Whether there is nothing to count: it is out, or this was the request of its probation. */
  #isDecided(isSuccess: boolean): boolean {
    if (this.state === "in") return false;
    if (this.state === "probation") this.#judge.onProbationEnded(this, isSuccess);
    return true;
  }
}

/** A threshold of 0 never is. */
function isReached(count: number, threshold: number): boolean {
  return threshold > 0 && count >= threshold;
}
