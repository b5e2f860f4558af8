import { expect, test } from "bun:test";
import { expandAddresses, type HostInterface } from "../../../agent/config/address-template.ts";

const one = (name: string, address: string, prefixBits: number, isLoopback = false): HostInterface => ({
  name,
  address,
  prefixBits,
  isLoopback,
});
const interfaces = [
  one("lo", "127.0.0.1", 8, true),
  one("eth0", "fe80::1", 64),
  one("eth0", "fd00::2", 64),
  one("eth0", "10.1.2.3", 16),
  one("eth1", "8.8.4.4", 24),
  one("docker0", "172.17.0.1", 16),
];

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ['{{ GetInterfaceIP "eth0" }}', "10.1.2.3"],
  ['{{GetInterfaceIPs "eth0"}}', "10.1.2.3 fe80::1 fd00::2"],
  ["{{ GetPrivateIP }}", "10.1.2.3"],
  ["{{ GetPrivateIPs }}", "10.1.2.3 172.17.0.1 fd00::2"],
  ["{{ GetPublicIP }}", "8.8.4.4"],
  ['127.0.0.1 {{ GetPrivateInterfaces | exclude "name" "docker.*" | attr "address" }}', "127.0.0.1 10.1.2.3"],
  ['{{ GetAllInterfaces | include "network" "172.17.0.0/16" | attr "address" }}', "172.17.0.1"],
  ['{{ GetAllInterfaces | include "flags" "loopback" | join "address" " " }}', "127.0.0.1"],
  ['{{ GetPrivateInterfaces | include "type" "IPv6" | limit 1 | attr "address" }}', "fd00::2"],
  ['{{ GetAllInterfaces | include "rfc" "1918" | sort "size" | offset 1 | join "address" "," }}', "172.17.0.1"],
])("%s stands for %s", (template, expected) => {
  expect(expandAddresses("bind_addr", template, interfaces)).toBe(expected);
});

test.each([
  ['{{ GetInterfaceIP "eth9" }}', 'bind_addr: {{ GetInterfaceIP "eth9" }} finds no address on this machine'],
  ["{{ GetPrivatIP }}", 'bind_addr: {{ GetPrivatIP }} uses "GetPrivatIP", this version knows GetAllInterfaces, '],
  ['{{ GetAllInterfaces | include "colour" "red" }}', '"colour" cannot be asked: name, address'],
])("%s is refused", (template, message) => {
  expect(() => expandAddresses("bind_addr", template, interfaces)).toThrow(message);
});
