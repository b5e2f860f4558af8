import { AtollError } from "../../lib/contract/error-codes.ts";
import { commandGroup } from "../subcommands.ts";
import { clientCommand, printJson } from "./client-command.ts";
import { readDocument, readInput } from "./input-file.ts";

const path = "/v1/connect/ca/configuration";

const getConfig = clientCommand({
  synopsis: "connect ca get-config [options]",
  summary: "Print the configuration of the mesh's certificate authority.",
  flags: {},
  async run({ api, io }) {
    printJson(io, await api.json({ method: "GET", path }));
    return 0;
  },
});

const setConfig = clientCommand({
  synopsis: "connect ca set-config -config-file=<path>",
  summary: "Change the configuration of the mesh's certificate authority.",
  flags: {
    "config-file": { type: "string", placeholder: "path", summary: "The configuration in JSON or HCL." },
    "force-without-cross-signing": { type: "boolean", summary: "Change the root at once, without cross-signing." },
  },
  async run({ api, flags, io }) {
    const file = flags["config-file"];
    if (file === undefined) throw new AtollError("INVALID_ARGUMENT", "The -config-file flag is required");
    const isForced = flags["force-without-cross-signing"] === true;
    const config = { ...(await readDocument(file, io)), ...(isForced && { ForceWithoutCrossSigning: true }) };
    await api.call({ method: "PUT", path, body: JSON.stringify(config) });
    io.stdout("Configuration updated!\n");
    return 0;
  },
});

const rotate = clientCommand({
  synopsis: "connect ca rotate [options]",
  summary: "Have another root sign for the mesh. The one before stays trusted until what it signed has ended.",
  flags: {
    "root-cert-file": {
      type: "string",
      placeholder: "path",
      summary: "A root of your own in PEM; without it, one is made.",
    },
    "private-key-file": { type: "string", placeholder: "path", summary: "Its key in PEM." },
    "force-without-cross-signing": {
      type: "boolean",
      summary:
        "Do not have the root before certify the new one, for a root whose key was stolen: calls fail until all have followed.",
    },
  },
  async run({ api, flags, io }) {
    const read = async (file: string | undefined): Promise<string> => (file === undefined ? "" : readInput(file, io));
    const body = {
      RootCert: await read(flags["root-cert-file"]),
      PrivateKey: await read(flags["private-key-file"]),
      ForceWithoutCrossSigning: flags["force-without-cross-signing"] === true,
    };
    const answer = await api.json({ method: "PUT", path: "/v1/connect/ca/rotate", body: JSON.stringify(body) });
    printJson(io, answer);
    return 0;
  },
});

const ca = commandGroup({
  name: "atoll connect ca",
  description: "Looks at and changes the mesh's certificate authority.",
  commands: new Map([
    ["get-config", getConfig],
    ["set-config", setConfig],
    ["rotate", rotate],
  ]),
});

/** `atoll connect`: the mesh. Its proxies are `atoll proxy`. */
export const connectCommand = commandGroup({
  name: "atoll connect",
  description: "Looks at and changes the mesh.",
  commands: new Map([["ca", ca]]),
});
