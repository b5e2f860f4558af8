import type { Random } from "../../lib/base/random.ts";
import type { Recursor } from "./recursor.ts";
import { classes, flagBits, headerBytes } from "./wire/codes.ts";
import { readAnswer } from "./wire/reader.ts";
import type { DnsRecord } from "./wire/record.ts";

/** Finds the addresses of names outside of our zones, for instances that are registered under one. */
export interface NameFollower {
  /** Addresses and the aliases on the way to them; empty when no resolver knows the name. */
  outside(labels: readonly string[], type: number): Promise<readonly DnsRecord[]>;
}

export function createNameFollower(recursor: Pick<Recursor, "ask">, random: Random): NameFollower {
  return {
    async outside(labels, type) {
      const query = questionMessage(labels, type, random);
      const short = readMaybe(await recursor.ask(query, "udp"));
      const answer = short?.isTruncated === true ? readMaybe(await recursor.ask(query, "tcp")) : short;
      return answer?.records ?? [];
    },
  };
}

function readMaybe(packet: Buffer | undefined): ReturnType<typeof readAnswer> {
  return packet === undefined ? undefined : readAnswer(packet);
}

function questionMessage(labels: readonly string[], type: number, random: Random): Uint8Array {
  const name = labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, "latin1")]));
  const header = Buffer.alloc(headerBytes);
  Buffer.from(random.bytes(2)).copy(header, 0);
  header.writeUInt16BE(flagBits.recursionDesired, 2);
  header.writeUInt16BE(1, 4);
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(type, 1);
  tail.writeUInt16BE(classes.IN, 3);
  return Buffer.concat([header, ...name, tail]);
}
