import { connect } from "node:net";
import { metricValue, readMetrics } from "../admin.ts";
import type { InstancePlan } from "../layout.ts";
import type { Tell } from "../story.ts";
import type { World } from "../world.ts";
import { waitFor } from "../../wait-for.ts";

const timeoutMs = 5_000;
const maxAnswerBytes = 4_096;

/** Talks plain HTTP to the port where api's sidecar expects mutual TLS. */
export async function refusePlaintext(world: World, tell: Tell): Promise<string> {
  const target = world.layout.instances["api-ecs"];
  const before = await countRefused(target);
  const answer = await sendPlaintext(target);
  tell(`sent "GET / HTTP/1.1" to ${target.node.address}:${target.sidecarPort}`);
  tell(
    `got ${answer.length === 0 ? "no byte" : `${answer.length} bytes, none of them HTTP`}, then the connection was closed`,
  );
  if (answer.includes("HTTP/")) throw new Error(`the mesh port answered HTTP: ${JSON.stringify(answer)}`);
  const line = await waitFor("the refusal in the metrics", { timeoutMs }, async () => {
    const after = await countRefused(target);
    return [...after].find(([name, value]) => value > (before.get(name) ?? 0));
  });
  tell(`the sidecar counts ${line[0]} ${line[1]}`);
  return `closed without an answer and counted as ${/reason="(\w+)"/.exec(line[0])?.[1] ?? line[0]}`;
}

async function countRefused(instance: InstancePlan): Promise<Map<string, number>> {
  const lines = await readMetrics(instance, /reason="/);
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), metricValue(line)]));
}

function sendPlaintext(instance: InstancePlan): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(instance.sidecarPort, instance.node.address, () => {
      socket.write("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
    });
    let answer = "";
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`the mesh port kept plaintext open for ${timeoutMs} ms`)),
    );
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      if (answer.length > maxAnswerBytes) socket.destroy();
    });
    let failure: NodeJS.ErrnoException | undefined;
    socket.on("error", (error) => {
      failure = error;
    });
    // A reset is a refusal as good as a quiet end; a port where nothing listens is neither.
    socket.on("close", () => {
      if (failure === undefined || failure.code === "ECONNRESET" || failure.code === "EPIPE") resolve(answer);
      else reject(failure);
    });
  });
}
