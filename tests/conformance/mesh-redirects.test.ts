import { expect } from "bun:test";
import { CaseTable } from "./case-table.ts";
import { EchoMesh } from "./echo-mesh.ts";

/** As `mesh-routing.test.ts`: the cases that send the client elsewhere. */
const cases = new CaseTable();

const segments = (value: string): object => ({ path: { type: "path-prefix", value } });

/** `redirects` by the path that they stand at; a request to each has to be answered with status and Location. */
function showRedirects(
  redirects: Readonly<Record<string, unknown>>,
  expected: readonly (readonly [path: string, status: number, location: string])[],
): void {
  // Rules with longer paths come first.
  const paths = Object.keys(redirects).sort((a, b) => b.length - a.length);
  const mesh = new EchoMesh([{ routes: paths.map((path) => ({ match: segments(path), redirect: redirects[path] })) }]);
  for (const [path, status, location] of expected) {
    const answer = mesh.get(path);
    expect([path, answer.status, answer.fields["location"], answer.seen]).toEqual([path, status, location, undefined]);
  }
}

cases.case("MeshHTTPRouteRedirectPath", "a redirect replaces the prefix or the whole of a path", () => {
  const prefixRewrite = "/replacement-prefix";
  showRedirects(
    {
      "/original-prefix": { prefixRewrite },
      "/full": { path: "/full-path-replacement" },
      "/path-and-host": { host: "example.org", prefixRewrite },
      "/path-and-status": { prefixRewrite, status: 301 },
      "/full-path-and-host": { host: "example.org", path: "/replacement-full" },
      "/full-path-and-status": { path: "/replacement-full", status: 301 },
    },
    [
      ["/original-prefix/lemon", 302, "http://echo/replacement-prefix/lemon"],
      ["/full/path/original", 302, "http://echo/full-path-replacement"],
      ["/path-and-host", 302, "http://example.org/replacement-prefix"],
      ["/path-and-status", 301, "http://echo/replacement-prefix"],
      ["/full-path-and-host", 302, "http://example.org/replacement-full"],
      ["/full-path-and-status", 301, "http://echo/replacement-full"],
    ],
  );
});

cases.case("MeshHTTPRouteRedirectPort", "a redirect names another port", () => {
  showRedirects(
    {
      "/port": { port: 8083 },
      "/port-and-host": { port: 8083, host: "example.org" },
      "/port-and-status": { port: 8083, status: 301 },
      "/port-and-host-and-status": { port: 8083, host: "example.org", status: 302 },
    },
    [
      ["/port", 302, "http://echo:8083/port"],
      ["/port-and-host", 302, "http://example.org:8083/port-and-host"],
      ["/port-and-status", 301, "http://echo:8083/port-and-status"],
      ["/port-and-host-and-status", 302, "http://example.org:8083/port-and-host-and-status"],
    ],
  );
});

cases.case("MeshHTTPRouteSchemeRedirect", "a redirect names another scheme", () => {
  showRedirects(
    {
      "/scheme": { scheme: "https" },
      "/scheme-and-host": { scheme: "https", host: "example.org" },
      "/scheme-and-status": { scheme: "https", status: 301 },
      "/scheme-and-host-and-status": { scheme: "https", host: "example.org", status: 302 },
    },
    [
      ["/scheme", 302, "https://echo/scheme"],
      ["/scheme-and-host", 302, "https://example.org/scheme-and-host"],
      ["/scheme-and-status", 301, "https://echo/scheme-and-status"],
      ["/scheme-and-host-and-status", 302, "https://example.org/scheme-and-host-and-status"],
    ],
  );
});

cases.case("MeshHTTPRouteRedirectHostAndStatus", "a redirect names another host and its status", () => {
  showRedirects(
    { "/hostname-redirect": { host: "example.org" }, "/host-and-status": { host: "example.org", status: 301 } },
    [
      ["/hostname-redirect", 302, "http://example.org/hostname-redirect"],
      ["/host-and-status", 301, "http://example.org/host-and-status"],
    ],
  );
});

for (const [status, path] of [
  [303, "/redirect"],
  [307, "/temporary"],
  [308, "/permanent"],
] as const) {
  cases.case(`MeshHTTPRoute${status}Redirect`, `a redirect may have status ${status}`, () => {
    showRedirects({ [path]: { status } }, [[path, status, `http://echo${path}`]]);
  });
}
