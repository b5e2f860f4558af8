import { Flag, FrameType } from "../../../proxy/http2/frame-types.ts";
import type { Rng } from "../../sim/random.ts";
import * as f from "./frames.ts";

/** What a client might say after its preface: mostly sensible frames on a few streams, some that break a rule. */
export function randomInput(rng: Rng, maxFrames = 40): Buffer {
  const frames: Buffer[] = [];
  let newest = -1;
  for (let i = rng.between(1, maxFrames); i > 0; i--) {
    if (newest < 1 || rng.chance(0.3)) {
      newest += 2;
      frames.push(request(rng, newest));
    } else {
      frames.push(laterFrame(rng, Math.max(1, newest - 2 * rng.below(4))));
    }
  }
  return Buffer.concat(frames);
}

function request(rng: Rng, streamId: number): Buffer {
  const isEnd = rng.chance(0.3);
  const fields = [...(isEnd ? f.getFields : f.postFields)];
  if (rng.chance(0.3)) fields.push("x-a", "v".repeat(rng.below(200)));
  if (rng.chance(0.2)) fields.push("content-length", String(rng.below(30)));
  if (rng.chance(0.2)) fields.push("cookie", "a=1", "cookie", "b=2");
  if (rng.chance(0.05)) fields.push(rng.pick(["Upper", "connection", "host", ":path", "te"]), "x");
  if (rng.chance(0.7)) return f.headers(streamId, fields, isEnd);
  return cutHeaders(rng, streamId, f.literals(fields), isEnd);
}

/** HEADERS, padded and with a priority now and then, and CONTINUATION. */
function cutHeaders(rng: Rng, streamId: number, block: Buffer, isEnd: boolean): Buffer {
  const cut = rng.below(block.length + 1);
  const padding = rng.chance(0.5) ? rng.below(20) : -1;
  const hasPriority = rng.chance(0.5);
  const before = [...(padding < 0 ? [] : [padding]), ...(hasPriority ? [0, 0, 0, 0, 16] : [])];
  const first = Buffer.alloc(before.length + cut + Math.max(padding, 0));
  first.set(before);
  first.set(block.subarray(0, cut), before.length);
  const flags = (isEnd ? Flag.endStream : 0) | (padding < 0 ? 0 : Flag.padded) | (hasPriority ? Flag.priority : 0);
  const frames = [f.frame(FrameType.headers, flags, streamId, first)];
  const middle = rng.between(cut, block.length);
  if (rng.chance(0.5)) frames.push(f.frame(FrameType.continuation, 0, streamId, block.subarray(cut, middle)));
  const rest = frames.length === 2 ? middle : cut;
  frames.push(f.frame(FrameType.continuation, Flag.endHeaders, streamId, block.subarray(rest)));
  return Buffer.concat(frames);
}

function laterFrame(rng: Rng, streamId: number): Buffer {
  switch (rng.below(12)) {
    case 0:
    case 1:
      return f.data(streamId, "d".repeat(rng.below(50)), rng.chance(0.3));
    case 2:
      return f.paddedData(streamId, "p".repeat(rng.below(10)), rng.below(20), rng.chance(0.3));
    case 3:
      return f.headers(streamId, ["x-trailer", "1"], rng.chance(0.9));
    case 4:
      return f.rstStream(streamId, rng.below(20));
    case 5:
      return f.windowUpdate(rng.chance(0.5) ? 0 : streamId, rng.pick([1, 1000, 1000, 1000, 0x7fff_ffff]));
    case 6:
      return f.ping(Buffer.alloc(8, rng.below(256)));
    case 7:
      return f.settings(rng.between(1, 9), rng.pick([0, 1, 16_384, 100_000]));
    case 8:
      return f.settingsAck();
    case 9:
      return f.priority(streamId, rng.pick([0, streamId + 2]));
    case 10:
      return f.goaway(0, rng.below(14));
    default:
      return f.frame(rng.between(9, 40), rng.below(256), streamId, Buffer.alloc(rng.below(30)));
  }
}
