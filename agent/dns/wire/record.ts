/** Records as they are answered. Names are as people write them, with or without the last dot. */
export interface DnsRecord {
  /** Absent: the name that was asked for, as it was asked. */
  readonly owner?: string;
  readonly ttlS: number;
  readonly data: RecordData;
}

export type RecordData =
  | { readonly type: "A" | "AAAA"; readonly address: Uint8Array }
  | { readonly type: "CNAME" | "NS" | "PTR"; readonly target: string }
  | {
      readonly type: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | { readonly type: "TXT"; readonly text: string }
  | { readonly type: "SOA"; readonly primary: string; readonly mailbox: string; readonly times: SoaTimes };

export interface SoaTimes {
  readonly serial: number;
  readonly refreshS: number;
  readonly retryS: number;
  readonly expireS: number;
  readonly minTtlS: number;
}

/** The three parts of an answer beside the question. */
export interface Sections {
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
}

export const noRecords: Sections = { answers: [], authority: [], additional: [] };
