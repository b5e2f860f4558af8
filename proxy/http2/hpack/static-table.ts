/** The static table of RFC 7541 appendix A. Index 0 is unused, so that array positions are HPACK's own indexes. */
const entries: readonly (readonly [string, string])[] = [
  ["", ""],
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

/** How many entries there are: dynamic entries begin behind this index. */
export const staticCount = entries.length - 1;
export const staticNames: readonly string[] = entries.map(([name]) => name);
export const staticValues: readonly string[] = entries.map(([, value]) => value);

/** Where a name stands in the static table: its first index, and the indexes of whole fields by their value. */
export interface StaticName {
  readonly index: number;
  readonly values: ReadonlyMap<string, number> | undefined;
}

/** Static names, for an encoder. */
export const staticByName: ReadonlyMap<string, StaticName> = new Map(
  staticNames.slice(1).map((name) => {
    const indexes = entries.flatMap(([other], index) => (index > 0 && other === name ? [index] : []));
    const valued = indexes.filter((index) => staticValues[index] !== "");
    const values = new Map(valued.map((index) => [staticValues[index] ?? "", index]));
    return [name, { index: indexes[0] ?? 0, values: values.size > 0 ? values : undefined }];
  }),
);
