import { createHash, randomFillSync } from "node:crypto";
import { appendFileSync, createReadStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { createWorkspace, local, type Workspace, writeNginxConfig } from "./pairs.ts";
import { mustFind, type Pinned, report, rounded, startPinned, proxyCore, loadCore } from "./process.ts";

const basePort = 27_400;
const ports = {
  backend: basePort,
  listen: basePort + 1,
  mesh: basePort + 2,
  outAdmin: basePort + 3,
  inAdmin: basePort + 4,
};
const sizeBytes = 1024 ** 3;
const residentLimitMb = 150;
const slowSeconds = 15;

/**
 * The real nginx and curl through two proxies of their own processes: 1 GB of random bytes down and up as HTTP, compared by checksum,
 * then a slow reader. Exits 1 when a byte differs or either proxy's resident memory passes the limit.
 */
export async function benchProxyBulk(): Promise<void> {
  const workspace = createWorkspace();
  const files = join(workspace.directory, "files");
  mkdirSync(files);
  const source = join(files, "bulk.bin");
  const expected = writeRandomFile(source);
  const running: Pinned[] = [];
  try {
    running.push(await startBackend(workspace, files));
    const proxies = await startProxies(workspace);
    running.push(...proxies);
    const peak = watchResident(proxies);
    const down = await hashOfCommand(curl([`http://${local(ports.listen)}/bulk.bin`]));
    const downMb = peak.take();
    const code = await outputOf(
      curl(["-o", "/dev/null", "-w", "%{http_code}", "-T", source, `http://${local(ports.listen)}/up.bin`]),
    );
    const up = await hashOfFile(join(files, "up.bin"));
    const upMb = peak.take();
    const slow = Bun.spawn(curl(["--limit-rate", "10M", "-o", "/dev/null", `http://${local(ports.listen)}/bulk.bin`]));
    await Bun.sleep(slowSeconds * 1000);
    slow.kill("SIGTERM");
    await slow.exited;
    const slowMb = peak.take();
    peak.stop();
    const isIntact = down === expected && up === expected && (code === "201" || code === "204");
    const isSmall = Math.max(downMb, upMb, slowMb) < residentLimitMb;
    report({
      bench: "proxy-bulk",
      size_bytes: sizeBytes,
      download_intact: down === expected,
      upload_intact: up === expected,
      upload_status: code,
      peak_resident_mb: { download: rounded(downMb, 1), upload: rounded(upMb, 1), slow_reader: rounded(slowMb, 1) },
      resident_limit_mb: residentLimitMb,
    });
    if (!isIntact || !isSmall) process.exitCode = 1;
  } finally {
    for (const one of running) await one.stop();
    rmSync(workspace.directory, { recursive: true });
  }
}

async function startBackend(workspace: Workspace, files: string): Promise<Pinned> {
  const config = writeNginxConfig(workspace, "backend", [
    ` server { listen ${local(ports.backend)}; location / { root ${files}; dav_methods PUT; } }`,
  ]);
  const command = [mustFind("nginx"), "-p", workspace.directory, "-c", config];
  return await startPinned({
    name: "backend",
    command,
    core: loadCore,
    readyPort: ports.backend,
    cwd: workspace.directory,
  });
}

async function startProxies(workspace: Workspace): Promise<Pinned[]> {
  const authority = new TestAuthority();
  const leafDirectory = (service: string): string => {
    const path = join(workspace.directory, service);
    mkdirSync(path);
    return path;
  };
  const identityOf = (service: string) => writeLeaf(authority.leaf(service), leafDirectory(service));
  const intentions = { default: "deny", rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }] };
  const documents = {
    inbound: {
      identity: identityOf("api"),
      inbound: [{ service: "api", listen: local(ports.mesh), app: local(ports.backend), protocol: "http", intentions }],
      admin: { listen: local(ports.inAdmin) },
    },
    outbound: {
      identity: identityOf("web"),
      outbound: [
        { service: "api", listen: local(ports.listen), protocol: "http", endpoints: [{ address: local(ports.mesh) }] },
      ],
      admin: { listen: local(ports.outAdmin) },
    },
  };
  const atoll = join(import.meta.dir, "..", "..", "bin", "atoll");
  return await Promise.all(
    Object.entries(documents).map(([name, document]) => {
      const config = join(workspace.directory, `${name}.json`);
      writeFileSync(config, JSON.stringify(document));
      const readyPort = name === "inbound" ? ports.inAdmin : ports.outAdmin;
      const command = [atoll, "proxy", "-config", config];
      return startPinned({ name, command, core: proxyCore, readyPort, cwd: workspace.directory });
    }),
  );
}

/** Samples the larger of both proxies' resident memory five times a second. */
function watchResident(proxies: readonly Pinned[]): { take(): number; stop(): void } {
  let peakMb = 0;
  const timer = setInterval(() => {
    peakMb = Math.max(peakMb, ...proxies.map((proxy) => proxy.residentMb()));
  }, 200);
  return {
    take() {
      const taken = peakMb;
      peakMb = 0;
      return taken;
    },
    stop: () => clearInterval(timer),
  };
}

function writeRandomFile(path: string): string {
  const hash = createHash("sha256");
  const block = Buffer.allocUnsafe(8 * 1024 * 1024);
  writeFileSync(path, "");
  for (let written = 0; written < sizeBytes; written += block.length) {
    randomFillSync(block);
    hash.update(block);
    appendFileSync(path, block);
  }
  return hash.digest("hex");
}

function curl(args: readonly string[]): string[] {
  return ["taskset", "-c", `${loadCore}`, mustFind("curl"), "-s", "--fail-with-body", ...args];
}

async function outputOf(command: readonly string[]): Promise<string> {
  return await new Response(Bun.spawn([...command], { stdout: "pipe" }).stdout).text();
}

async function hashOfCommand(command: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of Bun.spawn([...command], { stdout: "pipe" }).stdout) hash.update(chunk);
  return hash.digest("hex");
}

async function hashOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
