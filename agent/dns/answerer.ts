/** One message in, one message out: what both listeners call. It never throws and never rejects. */
import { errorMessage } from "../../lib/base/errors.ts";
import type { Logger } from "../../lib/base/logger.ts";
import { addressText } from "./addresses.ts";
import { answerLimits, type Transport } from "./answer-size.ts";
import type { DnsMetrics } from "./dns-metrics.ts";
import type { DnsSettings } from "./dns-settings.ts";
import { type Answer, encodeAnswer } from "./message.ts";
import type { HotAnswers } from "./hot-answers.ts";
import type { Recursor } from "./recursor.ts";
import type { Resolution, Resolver } from "./resolver.ts";
import { flagBits, headerBytes, type Rcode, rcodes } from "./wire/codes.ts";
import { type Query, readQuery, type RefusedQuery } from "./wire/query.ts";
import { noRecords } from "./wire/record.ts";
import { createMessageWriter } from "./wire/writer.ts";

export interface AnswererOptions {
  readonly settings: DnsSettings;
  readonly resolve: Resolver;
  readonly recursor: Pick<Recursor, "ask">;
  readonly hot: HotAnswers;
  readonly metrics: DnsMetrics;
  readonly logger: Logger;
}

export type Answerer = (
  message: Uint8Array,
  source: string,
  transport: Transport,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

const maxMessageBytes = 65_535;

export function createAnswerer(options: AnswererOptions): Answerer {
  const { settings, metrics, logger, resolve, hot } = options;
  // Only one message is written at a time: writing never waits.
  const writer = createMessageWriter(maxMessageBytes);
  const isRecursive = settings.recursors.length > 0;

  const encode = (
    query: RefusedQuery & { readonly type?: number },
    answer: Answer,
    transport: Transport,
  ): Uint8Array => {
    metrics.answered(transport, answer.rcode);
    const limits = answerLimits({ ...query, type: query.type ?? 0 }, transport, settings);
    return encodeAnswer(writer, query, answer, { isRecursive, isCompressed: settings.isCompressed, limits });
  };

  const finish = (
    query: Query,
    resolution: Resolution,
    message: Uint8Array,
    transport: Transport,
  ): Uint8Array | Promise<Uint8Array> => {
    if (resolution !== "elsewhere") return encode(query, resolution, transport);
    if (!isRecursive) return encode(query, bareAnswer(rcodes.refused), transport);
    return options.recursor.ask(message, transport).then((answer) => {
      if (answer === undefined) return encode(query, bareAnswer(rcodes.serverFailure), transport);
      metrics.answered(transport, answer.readUInt16BE(2) & 0x0f);
      const { maxBytes } = answerLimits(query, transport, settings);
      return answer.length <= maxBytes ? answer : cutAnswer(answer, query);
    });
  };

  const failed = (query: RefusedQuery, transport: Transport, thrown: unknown): Uint8Array => {
    logger.error("a DNS question could not be answered", { error: errorMessage(thrown) });
    return encode(query, bareAnswer(rcodes.serverFailure), transport);
  };

  return (message, source, transport) => {
    const ready = hot.get(message, transport);
    if (ready !== undefined) {
      metrics.answered(transport, (ready[3] ?? 0) & 0x0f);
      return ready;
    }
    const read = readQuery(message);
    if (read.kind === "ignored") {
      metrics.dropped("malformed");
      return undefined;
    }
    const { query } = read;
    if (read.kind === "refused") return encode(query, bareAnswer(read.rcode), transport);
    try {
      const resolution = resolve({
        labels: read.query.labels,
        type: read.query.type,
        source: sourceOf(read.query, source),
        isRoomy: transport === "tcp" || query.edns !== undefined,
        depth: 0,
      });
      if (!(resolution instanceof Promise)) {
        const answer = finish(read.query, resolution, message, transport);
        if (!(answer instanceof Promise)) hot.put(message, transport, answer);
        return answer;
      }
      // The listener uses its memory again.
      const kept = Uint8Array.from(message);
      return resolution
        .then((late) => finish(read.query, late, kept, transport))
        .catch((thrown: unknown) => failed(query, transport, thrown));
    } catch (thrown) {
      return failed(query, transport, thrown);
    }
  };
}

/** About no name of ours. */
function bareAnswer(rcode: Rcode): Answer {
  return { rcode, isAuthoritative: false, sections: noRecords };
}

/** The client asks again over TCP. */
function cutAnswer(answer: Buffer, query: Query): Buffer {
  const cut = Buffer.concat([answer.subarray(0, headerBytes), query.question]);
  cut.writeUInt16BE(cut.readUInt16BE(2) | flagBits.truncated, 2);
  cut.writeUInt16BE(1, 4);
  return cut.fill(0, 6, headerBytes);
}

/** For whom a resolver asks, when it says so, or whoever sent the packet. */
function sourceOf({ edns }: Query, sender: string): string {
  const subnet = edns?.clientSubnet;
  if (subnet === undefined || subnet.sourcePrefix === 0) return sender;
  const address = new Uint8Array(subnet.family === 1 ? 4 : 16);
  address.set(subnet.address);
  return addressText(address);
}
