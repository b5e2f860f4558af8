/** `npm run reference`: docs/agent-config.md from the table of the agent's configuration keys. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { keyTable } from "../cli/config-keys.ts";

const head = `# The agent's configuration

Atoll reads Consul's configuration files: JSON and HCL, \`-config-file\` and \`-config-dir\`, in the order of the command line. Of
scalars the later wins, lists are joined, maps are merged, flags come last. Keys may be written in snake or camel case. A key that is not
in these tables is unknown: it is warned about by name and ignored. \`SIGHUP\` reads all files again, and says which changes wait for a restart.

Addresses take the templates of go-sockaddr: \`GetPrivateIP\`, \`GetPrivateIPs\`, \`GetPublicIP\`, \`GetPublicIPs\`, \`GetInterfaceIP "eth0"\`,
\`GetInterfaceIPs\`, \`GetAllInterfaces\`, \`GetDefaultInterfaces\`, \`GetPrivateInterfaces\`, \`GetPublicInterfaces\` with \`include\`, \`exclude\`,
\`sort\`, \`limit\`, \`offset\`, \`unique\`, \`attr\` and \`join\`.

This page is made by \`npm run reference\`.
`;

const sections = [
  ["honoured", "What has an effect", "does"],
  ["none", "What is accepted and has no effect", "why"],
  ["refused", "What is refused", "why"],
] as const;

/** The whole page. */
export function configReference(): string {
  const parts = sections.map(([use, title, column]) => {
    const rows = Object.entries(keyTable)
      .filter(([, note]) => note.use === use)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, { note }]) => `| \`${path}\` | ${note} |`);
    return `\n## ${title}\n\n| key | ${column} |\n|---|---|\n${rows.join("\n")}\n`;
  });
  return head + parts.join("");
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, "..", "docs", "agent-config.md"), configReference());
}
