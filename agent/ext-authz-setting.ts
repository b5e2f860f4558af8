import type { Protocol } from "../lib/contract/config-entries.ts";
import { extAuthzConfig, type ExtAuthzExtension } from "../lib/contract/ext-authz-extension.ts";

/**
 * The authorizer of a service's listener. There is nobody to ask about tcp: where it has to be asked everybody is denied, else everybody
 * goes on, which is said in both cases.
 */
export function extAuthzSetting(extension: ExtAuthzExtension | undefined, protocol: Protocol, problems: string[]) {
  if (extension === undefined) return {};
  if (protocol !== "tcp") return { extAuthz: extAuthzConfig(extension) };
  const outcome = extension.Required ? "it is required, so all calls are denied" : "it is not used";
  problems.push(`EnvoyExtensions of service-defaults: builtin/ext-authz cannot be asked about "tcp": ${outcome}`);
  return extension.Required ? { intentions: { default: "deny", rules: [] } } : {};
}
