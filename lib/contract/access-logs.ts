/** What proxies log of requests: `AccessLogs` of Consul's `proxy-defaults`. An empty text says nothing. */
export interface AccessLogs {
  readonly Enabled: boolean;
  /** Of connections that no listener takes: our proxies have no such lines. */
  readonly DisableListenerLogs: boolean;
  readonly Type: (typeof accessLogTypes)[number];
  /** Where `Type` is `file`. */
  readonly Path: string;
  /** The JSON of an object of texts; at most one of the two formats. */
  readonly JSONFormat: string;
  readonly TextFormat: string;
}

/** The first is what happens when nothing is said. */
export const accessLogTypes = ["", "stdout", "stderr", "file"] as const;

/** The same in the words of a proxy's document, without what is the document's default. */
export function accessLogConfig({ Enabled, Type, Path, JSONFormat, TextFormat }: AccessLogs) {
  const jsonFormat = JSONFormat === "" ? undefined : parseJsonFormat(JSONFormat);
  return {
    enabled: Enabled,
    ...(Type !== "" && { path: Type === "file" ? Path : Type }),
    ...(jsonFormat !== undefined && { jsonFormat }),
    ...(TextFormat !== "" && { format: "text", textFormat: withoutLineEnd(TextFormat) }),
  };
}

/** Undefined for what is no JSON of an object. Its values are for the document's schema to judge. */
export function parseJsonFormat(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/** Envoy needs one in the format; a proxy of ours ends every line itself. */
function withoutLineEnd(format: string): string {
  return format.replace(/\r?\n$/, "");
}
