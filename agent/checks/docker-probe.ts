import { type IncomingMessage, request } from "node:http";
import { errorMessage } from "../../lib/base/errors.ts";
import type { CheckProbe } from "../service-definition.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";
import { keptOutput, statusOfExit } from "./script-probe.ts";

export type DockerProbe = Extract<CheckProbe, { type: "docker" }>;

/** Where Docker listens: the path of its unix socket, or a host and port. */
export type DockerAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export const defaultDockerAddress: DockerAddress = { socketPath: "/var/run/docker.sock" };

/** Reads `DOCKER_HOST`, as in `unix:///run/docker.sock` or `tcp://127.0.0.1:2375`; undefined for what it cannot be. */
export function parseDockerHost(text: string): DockerAddress | undefined {
  if (text === "") return defaultDockerAddress;
  if (text.startsWith("unix://")) return { socketPath: text.slice("unix://".length) };
  const match = /^(?:tcp|http):\/\/([^/:]+|\[[^\]]+\]):(\d{1,5})\/?$/.exec(text);
  const [, host = "", port = ""] = match ?? [];
  return match === null ? undefined : { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** An answer of Docker's beyond the output of a command. */
const maxAnswerBytes = 64 * 1024;

/** Runs a command within a container by Docker's API; its exit code says what a script's does. */
export async function probeDocker(
  probe: Pick<DockerProbe, "container" | "args">,
  limits: ProbeLimits & { readonly docker: DockerAddress },
): Promise<ProbeResult> {
  const { outputMaxBytes, signal, docker } = limits;
  const call = (method: string, path: string, body?: object): Promise<Answer> =>
    exchange({ method, path, body, signal, docker, keptBytes: Math.max(outputMaxBytes, maxAnswerBytes) });
  try {
    const created = await call("POST", `/containers/${encodeURIComponent(probe.container)}/exec`, {
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      Cmd: probe.args,
    });
    const id = textField(mustBe(created, 201, `create exec failed for container ${probe.container}`), "Id");
    const path = `/exec/${encodeURIComponent(id)}`;
    const run = mustBe(
      await call("POST", `${path}/start`, { Detach: false, Tty: false }),
      200,
      `start exec failed for container ${probe.container}`,
    );
    const output = withoutFrameHeads(run.bytes);
    const ended = mustBe(
      await call("GET", `${path}/json`),
      200,
      `inspect exec failed for container ${probe.container}`,
    );
    const text = keptOutput(
      { text: tail(output, outputMaxBytes).toString("utf8"), totalBytes: output.length + run.droppedBytes },
      outputMaxBytes,
    );
    return { status: statusOfExit(exitCode(ended)), output: text };
  } catch (thrown) {
    const reason = signal.aborted ? `Docker did not answer in time` : errorMessage(thrown);
    return { status: "critical", output: capOutput(reason, outputMaxBytes) };
  }
}

interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  readonly droppedBytes: number;
}

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly body: object | undefined;
  readonly signal: AbortSignal;
  readonly docker: DockerAddress;
  readonly keptBytes: number;
}

function exchange(options: Exchange): Promise<Answer> {
  const payload = options.body === undefined ? "" : JSON.stringify(options.body);
  return new Promise((resolve, reject) => {
    const sent = request({
      ...options.docker,
      method: options.method,
      path: options.path,
      agent: false,
      headers: {
        host: "docker",
        connection: "close",
        ...(payload !== "" && { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }),
      },
    });
    const onAbort = (): void => void sent.destroy(new Error("aborted"));
    const settle = (finish: () => void): void => {
      options.signal.removeEventListener("abort", onAbort);
      sent.destroy();
      finish();
    };
    sent.on("error", (error) => settle(() => reject(error)));
    sent.once("response", (response) => {
      readAnswer(response, options.keptBytes).then(
        (answer) => settle(() => resolve(answer)),
        (error: unknown) => settle(() => reject(error)),
      );
    });
    options.signal.addEventListener("abort", onAbort, { once: true });
    if (options.signal.aborted) onAbort();
    sent.end(payload);
  });
}

/** To its end, since a command runs on until then; of more than can be kept, the beginning. */
async function readAnswer(response: IncomingMessage, keptBytes: number): Promise<Answer> {
  const chunks: Buffer[] = [];
  let held = 0;
  let droppedBytes = 0;
  for await (const chunk of response) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    const kept = bytes.subarray(0, Math.max(0, keptBytes - held));
    if (kept.length > 0) chunks.push(kept);
    held += kept.length;
    droppedBytes += bytes.length - kept.length;
  }
  return { status: response.statusCode ?? 0, bytes: Buffer.concat(chunks), droppedBytes };
}

/** Docker's streams come in frames: a byte for which one, three empty ones, the length, the bytes. */
function withoutFrameHeads(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const isFrame = (bytes[at] ?? 255) <= 2 && bytes.readUIntBE(at + 1, 3) === 0;
    if (!isFrame) return bytes;
    const length = bytes.readUInt32BE(at + 4);
    parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts);
}

function mustBe(answer: Answer, status: number, what: string): Answer {
  if (answer.status === status) return answer;
  const reason = answer.bytes.toString("utf8").trim();
  throw new Error(`${what}: status code: ${answer.status}${reason === "" ? "" : `: ${reason}`}`);
}

function textField(answer: Answer, name: string): string {
  const value = field(answer, name);
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`Docker's answer has no ${name}`);
}

function exitCode(answer: Answer): number {
  const value = field(answer, "ExitCode");
  if (typeof value === "number") return value;
  throw new Error("the command's exit code is not known to Docker");
}

function field(answer: Answer, name: string): unknown {
  const document: unknown = JSON.parse(answer.bytes.toString("utf8"));
  return typeof document === "object" && document !== null
    ? Object.getOwnPropertyDescriptor(document, name)?.value
    : undefined;
}

function tail(bytes: Buffer, maxBytes: number): Buffer {
  return bytes.subarray(Math.max(0, bytes.length - maxBytes));
}
