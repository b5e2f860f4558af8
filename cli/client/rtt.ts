import { Type } from "typebox";
import { type Coordinate, isCoordinate, roundTripSeconds } from "../../lib/contract/coordinates.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApi } from "../http-api.ts";
import { clientCommand, mustBe } from "./client-command.ts";

const Places = Type.Array(
  Type.Object({
    Node: Type.String(),
    Coord: Type.Object({
      Vec: Type.Array(Type.Number()),
      Error: Type.Number(),
      Adjustment: Type.Number(),
      Height: Type.Number(),
    }),
  }),
);
const Datacenters = Type.Array(
  Type.Object({ Datacenter: Type.String(), Coordinates: Type.Union([Places, Type.Null()]) }),
);
const Self = Type.Object({ Config: Type.Object({ NodeName: Type.String(), Datacenter: Type.String() }) });

const flags = {
  wan: { type: "boolean", summary: "Of servers as other datacenters know them, named <node>.<datacenter>." },
} as const;

/** `atoll rtt`: the round trip between two nodes, estimated from their coordinates. */
export const rttCommand = clientCommand({
  synopsis: "rtt [options] <node> [<node>]",
  summary: "Estimates the round trip between two nodes from their network coordinates.",
  description: "The second node is the agent's own unless one is named.",
  flags,
  maxPositionals: 2,
  examples: ["rtt vm-17", "rtt vm-17 vm-18"],
  async run({ api, flags: given, positionals: [first, named], io }) {
    if (first === undefined) throw new AtollError("INVALID_ARGUMENT", "One or two node names must be specified");
    const isWan = given.wan === true;
    const second = named ?? (await ownName(api, isWan));
    if (isWan && [first, second].some((name) => name.split(".").length !== 2)) {
      const message = "Node names must be specified as <node name>.<datacenter> with -wan";
      throw new AtollError("INVALID_ARGUMENT", message);
    }
    const places = isWan ? await wanPlaces(api) : await lanPlaces(api);
    const [from, to] = [mustFind(places, first), mustFind(places, second)];
    const ms = (roundTripSeconds(from, to) * 1_000).toFixed(3);
    const source = isWan ? "WAN" : "LAN";
    io.stdout(`Estimated ${first} <-> ${second} rtt: ${ms} ms (using ${source} coordinates)\n`);
    return 0;
  },
});

async function ownName(api: HttpApi, isWan: boolean): Promise<string> {
  const answer = await api.json({ method: "GET", path: "/v1/agent/self" });
  const { NodeName, Datacenter } = mustBe(Self, answer, "an agent's description of itself").Config;
  return isWan ? `${NodeName}.${Datacenter}` : NodeName;
}

/** By name, in lower case: Consul takes any. */
type PlaceByName = ReadonlyMap<string, Coordinate>;

async function lanPlaces(api: HttpApi): Promise<PlaceByName> {
  const answer = await api.json({ method: "GET", path: "/v1/coordinate/nodes" });
  const places = mustBe(Places, answer, "a list of coordinates");
  return new Map(places.map(({ Node, Coord }) => [Node.toLowerCase(), Coord]));
}

async function wanPlaces(api: HttpApi): Promise<PlaceByName> {
  const answer = await api.json({ method: "GET", path: "/v1/coordinate/datacenters" });
  const datacenters = mustBe(Datacenters, answer, "a list of datacenters");
  return new Map(
    datacenters.flatMap(({ Datacenter, Coordinates }) =>
      (Coordinates ?? []).map(({ Node, Coord }) => [`${Node}.${Datacenter}`.toLowerCase(), Coord] as const),
    ),
  );
}

function mustFind(places: PlaceByName, name: string): Coordinate {
  const place = places.get(name.toLowerCase());
  if (place !== undefined && isCoordinate(place)) return place;
  throw new AtollError("NOT_FOUND", `Could not find a coordinate for node "${name}"`);
}
