import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { grpcFrame, grpcHeaders, runH2load } from "./h2load.ts";
import type { Load } from "./wrk.ts";

/** `etcdserverpb.KV/Put` from h2load: one stream at a time on each connection, one key, 200 bytes. */
export async function h2loadPut(options: {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}): Promise<Load> {
  const directory = mkdtempSync(join(tmpdir(), "atoll-put-"));
  const bodyFile = join(directory, "put.bin");
  writeFileSync(bodyFile, grpcFrame(putRequest("node-000001", "v".repeat(200))));
  try {
    return await runH2load({
      ...options,
      path: "/etcdserverpb.KV/Put",
      streams: 1,
      bodyFile,
      headers: grpcHeaders,
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** PutRequest { bytes key = 1; bytes value = 2; } */
function putRequest(key: string, value: string): Buffer {
  return Buffer.concat([bytesField(1, key), bytesField(2, value)]);
}

function bytesField(number: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}
