import { type ApiReference, listing, reading } from "./route-reference.ts";

/** Routes of certificates, intentions, config entries and peerings. */
export const meshReference: ApiReference = {
  "GET /v1/connect/ca/roots": { summary: "The roots of the mesh", query: [...reading, "pem"], answer: "json" },
  "GET /v1/connect/ca/configuration": {
    summary: "How the authority signs",
    query: [...reading],
    answer: "json",
    rule: "operator:read",
  },
  "PUT /v1/connect/ca/configuration": {
    summary: "Changes how the authority signs",
    answer: "nothing",
    rule: "operator:write",
  },
  "PUT /v1/connect/ca/rotate": {
    summary:
      "Has another root sign, one that is made here or one that is given; the one before stays trusted for two lives of a leaf",
    answer: "json",
    rule: "operator:write",
  },
  "GET /v1/connect/intentions": {
    summary: "All intentions",
    query: [...listing],
    answer: "json",
    rule: "intentions:read",
  },
  "POST /v1/connect/intentions": {
    summary: "Creates an intention with a UUID (deprecated)",
    answer: "json",
    rule: "intentions:write",
  },
  "GET /v1/connect/intentions/:id": {
    summary: "An intention by UUID (deprecated)",
    query: [...reading],
    answer: "json",
    rule: "intentions:read",
  },
  "PUT /v1/connect/intentions/:id": {
    summary: "Replaces an intention by UUID (deprecated)",
    answer: "json",
    rule: "intentions:write",
  },
  "DELETE /v1/connect/intentions/:id": {
    summary: "Deletes an intention by UUID (deprecated)",
    answer: "nothing",
    rule: "intentions:write",
  },
  "GET /v1/connect/intentions/exact": {
    summary: "The intention from a source to a destination",
    query: [...reading, "source", "destination"],
    answer: "json",
    rule: "intentions:read",
  },
  "PUT /v1/connect/intentions/exact": {
    summary: "Sets the intention from a source to a destination",
    query: ["source", "destination"],
    answer: "boolean",
    rule: "intentions:write",
  },
  "DELETE /v1/connect/intentions/exact": {
    summary: "Deletes the intention from a source to a destination",
    query: ["source", "destination"],
    answer: "boolean",
    rule: "intentions:write",
  },
  "GET /v1/connect/intentions/match": {
    summary: "The intentions that can hold for a source or a destination",
    query: [...reading, "by", "name"],
    answer: "json",
    rule: "intentions:read",
  },
  "GET /v1/connect/intentions/check": {
    summary: "Whether a source may call a destination",
    query: [...reading, "source", "destination"],
    answer: "json",
    rule: "intentions:read",
  },
  "PUT /v1/config": {
    summary: "Writes a config entry",
    query: ["cas"],
    body: "json",
    answer: "boolean",
    rule: "by kind",
  },
  "GET /v1/config/:kind": {
    summary: "The config entries of a kind",
    query: [...listing],
    answer: "json",
    rule: "by kind",
  },
  "GET /v1/config/:kind/:name": { summary: "One config entry", query: [...reading], answer: "json", rule: "by kind" },
  "DELETE /v1/config/:kind/:name": {
    summary: "Deletes a config entry",
    query: ["cas"],
    answer: "json",
    rule: "by kind",
  },
  "GET /v1/discovery-chain/:service": {
    summary: "Where calls to a service go",
    query: [...reading, "compile-dc", "cached"],
    answer: "json",
    rule: "service:read",
  },
  "POST /v1/discovery-chain/:service": {
    summary: "Where calls to a service would go",
    query: [...reading, "compile-dc"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/exported-services": {
    summary: "The services that peers are given",
    query: [...reading],
    answer: "json",
    rule: "mesh:read",
  },
  "POST /v1/peering/token": { summary: "Offers a peering by a token", answer: "json", rule: "peering:write" },
  "POST /v1/peering/establish": {
    summary: "Takes up a peering with the token of another cluster",
    answer: "json",
    rule: "peering:write",
  },
  "GET /v1/peerings": { summary: "All peerings", query: [...reading], answer: "json", rule: "peering:read" },
  "GET /v1/peering/:name": { summary: "One peering", query: [...reading], answer: "json", rule: "peering:read" },
  "DELETE /v1/peering/:name": { summary: "Ends a peering", answer: "nothing", rule: "peering:write" },
};
