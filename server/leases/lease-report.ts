import type { Coordinate } from "../../lib/contract/coordinates.ts";
import type { MemberFields } from "../../lib/contract/members.ts";

/** What a server tells the leader of the leases whose streams it holds. */
export interface LeaseReport {
  /** Leases that are asked for, and those that the leader did not know. */
  readonly asked: readonly MemberFields[];
  /** Ids of the agents that have renewed theirs since the last report. */
  readonly renewed: readonly string[];
  /** Where agents are that have said so since the last report; undefined: the server is of a release without coordinates. */
  readonly placed: readonly PlacedAgent[] | undefined;
}

export interface PlacedAgent {
  /** Of the agent. */
  readonly id: string;
  readonly coordinate: Coordinate;
}

/** A lease that is in neither list is given. */
export interface LeaseReportAnswer {
  /** False while servers of older releases may be among the members: then nothing was taken. */
  readonly isKept: boolean;
  /** Ids that are of no member: they have to be asked for. */
  readonly unknown: readonly string[];
  readonly refused: readonly LeaseRefusal[];
  /** Every server knows the command that writes coordinates; else, and where it is absent, those of the report were not taken. */
  readonly takesCoordinates?: boolean;
}

/** What the leader makes of one lease; neither is said of one that it has not heard of yet. */
export interface LeaseDecision {
  readonly isGiven: boolean;
  readonly refusal: string;
}

export interface LeaseRefusal {
  readonly id: string;
  readonly reason: string;
}
