import { commandGroup } from "../subcommands.ts";
import { authMethodCommand } from "./auth-method.ts";
import { bindingRuleCommand } from "./binding-rule.ts";

/** `atoll acl`: access control. */
export const aclCommand = commandGroup({
  name: "atoll acl",
  description: "Looks at and changes access control.",
  commands: new Map([
    ["auth-method", authMethodCommand],
    ["binding-rule", bindingRuleCommand],
  ]),
});
