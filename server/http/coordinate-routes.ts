import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { coordinateDimensions, type CoordinateFields } from "../../lib/contract/coordinates.ts";
import { originCoordinate } from "../../lib/contract/vivaldi.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { mustName, NodePath } from "./path-name.ts";
import { seesNode } from "./acl-sight.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";

const Seconds = Type.Optional(Type.Number());
const CoordinateBody = Type.Object({
  Node: Type.String(),
  Segment: Type.Optional(Type.String()),
  Coord: Type.Object({
    Vec: Type.Array(Type.Number(), { maxItems: 64 }),
    Error: Seconds,
    Adjustment: Seconds,
    Height: Seconds,
  }),
});

/** `/v1/coordinate`: where nodes are in the space of round-trip times, which `?near` sorts by. */
export function registerCoordinateRoutes(app: HttpApp, { server, reads, authorize }: RouteContext): void {
  app.put("/v1/coordinate/update", { schema: { body: CoordinateBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { Node, Segment = "", Coord } = request.body;
    if (Node === "") throw new AtollError("INVALID_ARGUMENT", "Node is required");
    if (Segment !== "") throw new AtollError("INVALID_ARGUMENT", "Network segments are a Consul Enterprise feature");
    if (Coord.Vec.length !== coordinateDimensions) {
      const message = `incompatible coordinate: Coord.Vec has ${Coord.Vec.length} dimensions, it must have ${coordinateDimensions}`;
      throw new AtollError("INVALID_ARGUMENT", message);
    }
    demand(authorize(request), "node", "write", Node);
    const { Vec, Error: error = 0, Adjustment = 0, Height = 0 } = Coord;
    const coordinate = { Node, Segment, Coord: { Vec, Error: error, Adjustment, Height } };
    await proposeOrThrow({ server, request, command: { type: "coordinate-update", coordinate } });
    return sendEmpty(reply);
  });

  app.get("/v1/coordinate/datacenters", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    // Other datacenters measure the way to the servers; there are none, so it is where they are among their own.
    const places = new Map(server.reader.coordinates().value.map((record) => [record.Node, record]));
    const Coordinates = server.reader
      .members()
      .value.filter(({ Role, Status }) => Role === "consul" && Status === "alive")
      .map(({ Node }) => coordinateAnswer(places.get(Node) ?? { Node, Segment: "", Coord: originCoordinate }));
    return sendJson(reply, [{ Datacenter: server.datacenter, AreaID: "wan", Coordinates }]);
  });

  app.get("/v1/coordinate/nodes", (request, reply) =>
    reads.answer(request, reply, {
      query: (reader) => reader.coordinates(),
      body: (coordinates, _parameters, sight) => sight.keep(coordinates, seesNode).map(coordinateAnswer),
    }),
  );

  app.get("/v1/coordinate/node/:node", { schema: { params: NodePath } }, (request, reply) => {
    const node = mustName(request.params.node, "node name");
    return reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "node", "read", node),
      query: (reader) => reader.nodeCoordinates(node),
      body(coordinates) {
        if (coordinates.length > 0) return coordinates.map(coordinateAnswer);
        throw new AtollError("NOT_FOUND", `node "${node}" has no coordinate`);
      },
    });
  });
}

function coordinateAnswer({ Node, Segment, Coord }: CoordinateFields): object {
  const { Vec, Error: error, Adjustment, Height } = Coord;
  return { Node, Segment, Coord: { Vec, Error: error, Adjustment, Height } };
}
