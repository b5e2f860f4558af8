/**
 * The resolvers for names that are not ours. Each query goes out under a random id from a port of its own, and only what
 * comes from that resolver with that id and question is an answer.
 */
import { createSocket } from "node:dgram";
import { connect, isIP } from "node:net";
import type { Clock } from "../../lib/base/clock.ts";
import type { Random } from "../../lib/base/random.ts";
import { type HostPort, parseHostPort } from "../../lib/contract/address.ts";
import type { Transport } from "./answer-size.ts";
import type { DnsSettings } from "./dns-settings.ts";
import { createLengthReader, withLength } from "./tcp-framing.ts";
import { flagBits, rcodes } from "./wire/codes.ts";
import { isAnswerTo } from "./wire/reader.ts";

export interface Recursor {
  /**
   * Asks the resolvers in turn, `query` being a whole message: over UDP, and for who takes any length again over TCP when that
   * was too short for the answer. The answer comes under the query's id; undefined when none
   * of them had one. Never rejects.
   */
  ask(query: Uint8Array, transport: Transport): Promise<Buffer | undefined>;
}

export interface RecursorOptions {
  readonly settings: Pick<DnsSettings, "recursors" | "recursorOrder" | "recursorTimeoutMs">;
  readonly clock: Clock;
  readonly random: Random;
  /** When it aborts, what is under way is given up and nothing more is asked. */
  readonly signal: AbortSignal;
  /** Told of each question that a resolver did not answer. */
  readonly onFailure: (recursor: string) => void;
}

/** Questions under way; one more is refused. */
const maxQuestions = 512;

export function createRecursor(options: RecursorOptions): Recursor {
  const { settings, random, signal } = options;
  let asking = 0;
  const targets = settings.recursors.flatMap((text) => {
    const address = parseHostPort(text);
    return address === undefined ? [] : [{ text, address }];
  });

  const inOrder = (): typeof targets => {
    if (settings.recursorOrder === "sequential" || targets.length < 2) return targets;
    const start = Math.floor(random.float() * targets.length);
    return [...targets.slice(start), ...targets.slice(0, start)];
  };

  return {
    async ask(query, transport) {
      if (asking >= maxQuestions || signal.aborted) return undefined;
      asking++;
      try {
        for (const { text, address } of inOrder()) {
          const sent = Buffer.from(query);
          Buffer.from(random.bytes(2)).copy(sent, 0);
          const exchange = {
            sent,
            address,
            timeoutMs: settings.recursorTimeoutMs,
            clock: options.clock,
            signal,
          };
          const short = await askOverUdp(exchange);
          const answer = transport === "tcp" && isTruncated(short) ? await askOverTcp(exchange) : short;
          const rcode = answer === undefined ? undefined : answer.readUInt16BE(2) & 0x0f;
          if (answer !== undefined && (rcode === rcodes.noError || rcode === rcodes.nameError)) {
            Buffer.from(query).copy(answer, 0, 0, 2);
            return answer;
          }
          options.onFailure(text);
          if (signal.aborted) return undefined;
        }
        return undefined;
      } finally {
        asking--;
      }
    },
  };
}

interface Exchange {
  readonly sent: Buffer;
  readonly address: HostPort;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Calls `onEnd` once: with the first answer, or with undefined when its time is over or the signal aborts. */
function endingOnce(
  { timeoutMs, clock, signal }: Exchange,
  onEnd: (answer: Buffer | undefined) => void,
): (answer: Buffer | undefined) => void {
  let hasEnded = false;
  const end = (answer: Buffer | undefined): void => {
    if (hasEnded) return;
    hasEnded = true;
    timer.cancel();
    signal.removeEventListener("abort", abort);
    onEnd(answer);
  };
  const abort = (): void => end(undefined);
  const timer = clock.after(timeoutMs, abort);
  signal.addEventListener("abort", abort, { once: true });
  return end;
}

function askOverUdp(exchange: Exchange): Promise<Buffer | undefined> {
  const { sent, address } = exchange;
  return new Promise((resolve) => {
    const socket = createSocket(isIP(address.host) === 6 ? "udp6" : "udp4");
    const end = endingOnce(exchange, (answer) => {
      socket.close();
      resolve(answer);
    });
    const abort = (): void => end(undefined);
    socket.on("error", abort);
    socket.on("message", (packet, from) => {
      if (from.port === address.port && isSameHost(from.address, address.host) && isAnswerTo(packet, sent)) {
        end(Buffer.from(packet));
      }
    });
    socket.send(sent, address.port, address.host, (error) => {
      if (error) abort();
    });
  });
}

function askOverTcp(exchange: Exchange): Promise<Buffer | undefined> {
  const { sent, address } = exchange;
  return new Promise((resolve) => {
    const socket = connect({ host: address.host, port: address.port });
    const end = endingOnce(exchange, (answer) => {
      socket.destroy();
      resolve(answer);
    });
    const abort = (): void => end(undefined);
    const reader = createLengthReader((message) => {
      if (isAnswerTo(message, sent)) end(Buffer.from(message));
    });
    socket.on("error", abort);
    socket.on("close", abort);
    socket.on("data", (chunk: Buffer) => reader.push(chunk));
    socket.on("connect", () => socket.write(withLength(sent)));
  });
}

function isTruncated(answer: Buffer | undefined): boolean {
  return answer !== undefined && (answer.readUInt16BE(2) & flagBits.truncated) !== 0;
}

function isSameHost(from: string, host: string): boolean {
  return from === host || from === `::ffff:${host}` || isIP(host) === 6;
}
