/** Commands of Consul's that Atoll has not, with what to do instead. */
export const absentCommands: ReadonlyMap<string, string> = new Map([
  ["exec", "there is no remote execution: use your own tool over SSH"],
  ["keyring", "there is no gossip and so no key of it"],
  ["peering", "peerings are read and written over the API: /v1/peering"],
  ["resource", "Consul itself took it out again"],
  ["troubleshoot", "look at `atoll proxy explain`"],
]);
