import type { MethodDefinition } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import protobuf from "protobufjs";
import { mustGet } from "../base/assert.ts";

/** A .proto file, and one of its services by names. */
export interface ProtoService {
  readonly root: protobuf.Root;
  /**
   * A method with its path, and codecs that refuse what is not its message. What the messages are in TypeScript is the
   * caller's to say as the .proto does: absent fields have their defaults, enums and 64-bit integers are numbers.
   */
  method<Request, Response>(name: string): MethodDefinition<Request, Response>;
}

/** `text` is part of the executable, so no file has to lie beside it; `service` is the full name. */
export function parseService(text: string, service: string): ProtoService {
  const { root } = protobuf.parse(text);
  const loaded = fromJSON(root.toJSON(), { longs: Number, defaults: true });
  const methods = mustGet(loaded[service], `a .proto defines ${service}`);
  return {
    root,
    method<Request, Response>(name: string) {
      const definition: unknown = Object.getOwnPropertyDescriptor(methods, name)?.value;
      return mustGet(definition, `${service} has the method ${name}`) as MethodDefinition<Request, Response>;
    },
  };
}
