/**
 * Runs before `npm test`, `npm run demo` and `npm run build` on whatever Node.js is there: installs the locked
 * dependencies when they are missing or are not those of package-lock.json, so that a fresh clone needs no other step.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const oldestNode = 20;
const root = join(dirname(fileURLToPath(import.meta.url)), "..");

if (Number(process.versions.node.split(".")[0]) < oldestNode) {
  console.error(`setup: Node.js ${oldestNode} or newer is needed, this is ${process.versions.node}`);
  process.exit(1);
}
const reason = whyInstall();
if (reason !== undefined) {
  console.log(`setup: ${reason}; running npm ci`);
  process.exit(runNpmCi());
}

/** npm keeps a lockfile of what it really installed, written last: comparing the two finds half-done installs too. */
function whyInstall() {
  const wanted = readPackages("package-lock.json");
  if (wanted === undefined) return "package-lock.json cannot be read";
  const installed = readPackages(join("node_modules", ".package-lock.json"));
  if (installed === undefined) return "node_modules is missing or incomplete";
  for (const [path, entry] of Object.entries(wanted)) {
    const found = installed[path];
    // Optional packages of other platforms are locked but not installed.
    if (path === "" || (found === undefined && entry.optional)) continue;
    if (found?.version !== entry.version)
      return `${path} is ${found?.version ?? "missing"}, locked is ${entry.version}`;
  }
  return undefined;
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), "utf8")).packages;
  } catch {
    return undefined;
  }
}

function runNpmCi() {
  const args = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  const npmScript = process.env["npm_execpath"];
  const [command, first] = npmScript?.endsWith(".js") ? [process.execPath, [npmScript]] : ["npm", []];
  const done = spawnSync(command, [...first, ...args], { cwd: root, stdio: "inherit" });
  if (done.error !== undefined) console.error(`setup: npm cannot be started: ${done.error.message}`);
  return done.status ?? 1;
}
