import type { Topic } from "../contract/topics.ts";
import type { WireTopic } from "./rpc-methods.ts";

/** A topic as it travels: its kind, and the one name that it has (none for the roots). */
export function toWireTopic(topic: Topic): WireTopic {
  switch (topic.kind) {
    case "connect-endpoints":
    case "service-config":
      return { kind: topic.kind, name: topic.service };
    case "intentions":
      return { kind: topic.kind, name: topic.destination };
    case "ca-roots":
      return { kind: topic.kind, name: "" };
  }
}

/** Reads a topic of the wire; undefined for a kind that this release does not know or a name that it must not be. */
export function fromWireTopic(wire: WireTopic): Topic | undefined {
  if ((wire.name === "") !== (wire.kind === "ca-roots") || wire.name.length > 255) return undefined;
  switch (wire.kind) {
    case "connect-endpoints":
      return { kind: "connect-endpoints", service: wire.name };
    case "service-config":
      return { kind: "service-config", service: wire.name };
    case "intentions":
      return { kind: "intentions", destination: wire.name };
    case "ca-roots":
      return { kind: "ca-roots" };
    default:
      return undefined;
  }
}
