import type { ServerLink } from "../../lib/client/server-link.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CheckDefinition } from "../service-definition.ts";
import { runsScript } from "../service-definition.ts";
import type { AgentTokenStore } from "../acl/token-store.ts";
import { type DockerAddress, defaultDockerAddress } from "./docker-probe.ts";

/** What checks may use of the machine and of the servers. */
export interface CheckHost {
  readonly scripts: ScriptRights;
  /** The environment of programs: no secret of the agent's belongs in it. */
  readonly env: Readonly<Record<string, string>>;
  readonly docker: DockerAddress;
  /** Asks a server, for checks that follow another node. */
  readonly forward: ServerLink["forward"];
}

/** Whose checks may run programs. A registration over HTTP is as good as a shell on this machine, so both are off by default. */
export interface ScriptRights {
  /** `enable_local_script_checks`, or `enable_script_checks`. */
  readonly fromFiles: boolean;
  /** `enable_script_checks`. */
  readonly fromApi: boolean;
}

export const noScripts: ScriptRights = { fromFiles: false, fromApi: false };

export function defaultCheckHost(link: Pick<ServerLink, "forward">): CheckHost {
  return {
    scripts: noScripts,
    env: {},
    docker: defaultDockerAddress,
    forward: (request, signal) => link.forward(request, signal),
  };
}

/** Asks servers with the token that the agent has for itself at that moment, when it has one. */
export function forwardWithToken(
  link: Pick<ServerLink, "forward">,
  tokens: Pick<AgentTokenStore, "ownToken">,
): CheckHost["forward"] {
  return (request, signal) => {
    const token = tokens.ownToken();
    if (token === "") return link.forward(request, signal);
    return link.forward({ ...request, headers: { ...request.headers, "x-consul-token": token } }, signal);
  };
}

/** Why a check that runs programs is not run, in Consul's words; undefined when it may be. */
export function scriptProblem(
  { probe }: Pick<CheckDefinition, "probe">,
  options: { readonly isFromApi: boolean; readonly rights: ScriptRights },
): string | undefined {
  const { isFromApi, rights } = options;
  if (!runsScript(probe) || (isFromApi ? rights.fromApi : rights.fromFiles)) return undefined;
  return isFromApi
    ? "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
    : "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true";
}

/** Throws `INVALID_ARGUMENT` for a check that this agent will not run. */
export function mustRunHere(
  check: Pick<CheckDefinition, "probe">,
  options: { readonly isFromApi: boolean; readonly rights: ScriptRights },
): void {
  const problem = scriptProblem(check, options);
  if (problem !== undefined) throw new AtollError("INVALID_ARGUMENT", problem);
}
