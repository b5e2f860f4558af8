import { BlockList, isIP } from "node:net";
import { AtollError } from "../../lib/contract/error-codes.ts";

/**
 * The templates that Consul's users write for addresses, `{{ GetInterfaceIP "eth0" }}`: the functions of go-sockaddr that
 * documentation and the wild show, as pipelines over the addresses of this machine's interfaces.
 */
export interface HostInterface {
  /** As in `eth0`. */
  readonly name: string;
  readonly address: string;
  /** Bits of the network's prefix. */
  readonly prefixBits: number;
  readonly isLoopback: boolean;
}

type Step = (input: readonly HostInterface[], args: readonly string[]) => readonly HostInterface[];

const privateNetworks = networks([
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["240.0.0.0", 4],
  ["::1", 128],
  ["fc00::", 7],
  ["fe80::", 10],
]);

/** RFC 6890 and RFC 1918 are told apart by the latter alone. */
const siteNetworks = networks([
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
]);

/**
 * `text` with each `{{ ... }}` replaced by the addresses it stands for, with spaces between. Throws `CONFIG_INVALID` that names
 * `key` and the function or argument that is not known, or says that nothing was found.
 */
export function expandAddresses(key: string, text: string, interfaces: readonly HostInterface[]): string {
  return text
    .replace(/\{\{(.*?)\}\}/gs, (whole, body: string) => {
      const value = evaluate(key, whole, body, interfaces);
      if (value !== "") return value;
      throw invalid(key, `${whole} finds no address on this machine`);
    })
    .trim();
}

function evaluate(key: string, whole: string, body: string, interfaces: readonly HostInterface[]): string {
  let current: readonly HostInterface[] = [];
  const stages = splitPipes(body);
  for (const [i, stage] of stages.entries()) {
    const [name = "", ...args] = words(stage);
    const isLast = i === stages.length - 1;
    const found = finals.get(name);
    if (found !== undefined && isLast) return found(i === 0 ? interfaces : current, args);
    const step = i === 0 ? sources.get(name) : filters.get(name);
    if (step === undefined) {
      const known = [...(i === 0 ? sources.keys() : filters.keys()), ...finals.keys()].join(", ");
      throw invalid(key, `${whole} uses ${name === "" ? "nothing" : `"${name}"`}, this version knows ${known}`);
    }
    try {
      current = step(i === 0 ? interfaces : current, args);
    } catch (thrown) {
      throw invalid(key, `${whole}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  }
  return current.map((one) => one.address).join(" ");
}

const routed: Step = (all) => byType(all.filter((one) => !one.isLoopback && !isLinkLocal(one)));
const sources = new Map<string, Step>([
  ["GetAllInterfaces", (all) => all],
  ["GetDefaultInterfaces", routed],
  ["GetPrivateInterfaces", (all) => routed(all, []).filter((one) => isIn(privateNetworks, one))],
  ["GetPublicInterfaces", (all) => routed(all, []).filter((one) => !isIn(privateNetworks, one))],
]);

type Final = (input: readonly HostInterface[], args: readonly string[]) => string;
const privateOnes: Final = (all) => addresses(routed(all, []).filter((one) => isIn(privateNetworks, one)));
const publicOnes: Final = (all) => addresses(routed(all, []).filter((one) => !isIn(privateNetworks, one)));
const ofInterface: Final = (all, [name = ""]) => addresses(byType(all.filter((one) => one.name === name)));
const first = (text: string): string => text.split(" ")[0] ?? "";
const finals = new Map<string, Final>([
  ["GetPrivateIP", (all, args) => first(privateOnes(all, args))],
  ["GetPrivateIPs", privateOnes],
  ["GetPublicIP", (all, args) => first(publicOnes(all, args))],
  ["GetPublicIPs", publicOnes],
  ["GetInterfaceIP", (all, args) => first(ofInterface(all, args))],
  ["GetInterfaceIPs", ofInterface],
  ["attr", (all, [name = ""]) => (all[0] === undefined ? "" : attribute(all[0], name))],
  ["join", (all, [name = "", between = " "]) => all.map((one) => attribute(one, name)).join(between)],
]);

const filters = new Map<string, Step>([
  ["include", (input, args) => input.filter(condition(args))],
  ["exclude", (input, args) => input.filter(not(condition(args)))],
  ["limit", (input, [count]) => input.slice(0, wholeNumber(count))],
  ["offset", (input, [count]) => input.slice(wholeNumber(count))],
  ["unique", (input) => input.filter((one, i) => input.findIndex((other) => other.address === one.address) === i)],
  ["sort", (input) => byType(input)],
]);

type Condition = (one: HostInterface) => boolean;

function not(inner: Condition): Condition {
  return (one) => !inner(one);
}

function condition([what = "", value = ""]: readonly string[]): Condition {
  switch (what) {
    case "name": {
      const pattern = new RegExp(value);
      return (one) => pattern.test(one.name);
    }
    case "address": {
      const pattern = new RegExp(value);
      return (one) => pattern.test(one.address);
    }
    case "network": {
      const [base = "", bits = "32"] = value.split("/");
      const list = networks([[base, wholeNumber(bits)]]);
      return (one) => isIn(list, one);
    }
    case "type":
      return (one) => value.toLowerCase() === "ip" || value.toLowerCase() === `ipv${isIP(one.address)}`;
    case "rfc":
      if (value === "1918") return (one) => isIn(siteNetworks, one);
      if (value === "6890") return (one) => isIn(privateNetworks, one);
      throw new Error(`rfc "${value}" is not known: 1918 and 6890 are`);
    case "flag":
    case "flags":
      return (one) => value.split("|").every((flag) => hasFlag(one, flag.trim()));
    default:
      throw new Error(`"${what}" cannot be asked: name, address, network, type, rfc and flags can`);
  }
}

function hasFlag(one: HostInterface, flag: string): boolean {
  if (flag === "up") return true;
  if (flag === "loopback") return one.isLoopback;
  if (flag === "forwardable") return !one.isLoopback && !isLinkLocal(one);
  throw new Error(`flag "${flag}" is not known: up, loopback and forwardable are`);
}

function attribute(one: HostInterface, name: string): string {
  if (name === "address") return one.address;
  if (name === "name") return one.name;
  if (name === "network") return `${one.address}/${one.prefixBits}`;
  return "";
}

/** IPv4 first, as nearly every user wants. */
function byType(input: readonly HostInterface[]): readonly HostInterface[] {
  return input.toSorted((a, b) => isIP(a.address) - isIP(b.address));
}

function addresses(input: readonly HostInterface[]): string {
  return input.map((one) => one.address).join(" ");
}

function isLinkLocal({ address }: HostInterface): boolean {
  return /^(169\.254\.|fe[89ab])/i.test(address);
}

function networks(list: readonly (readonly [string, number])[]): BlockList {
  const blocks = new BlockList();
  for (const [base, bits] of list) blocks.addSubnet(base, bits, isIP(base) === 6 ? "ipv6" : "ipv4");
  return blocks;
}

function isIn(list: BlockList, { address }: HostInterface): boolean {
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

function wholeNumber(text: string | undefined): number {
  if (text !== undefined && /^\d{1,4}$/.test(text)) return Number(text);
  throw new Error(`"${text ?? ""}" must be a whole number`);
}

/** At `|` outside of quotes. */
function splitPipes(body: string): string[] {
  return (body.match(/(?:"[^"]*"|`[^`]*`|[^|"`])+/g) ?? [""]).map((part) => part.trim());
}

function words(stage: string): string[] {
  return (stage.match(/"[^"]*"|`[^`]*`|\S+/g) ?? []).map((word) => word.replace(/^(["`])(.*)\1$/s, "$2"));
}

function invalid(key: string, message: string): AtollError {
  return new AtollError("CONFIG_INVALID", `${key}: ${message}`);
}
