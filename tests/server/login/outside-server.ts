import { createServer as createPlainServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer } from "node:https";
import { TestAuthority } from "../../fakes/certificates.ts";

/** Who is asked about identities, played over real TLS with a certificate of an authority that nobody else trusts. */
export interface OutsideServer extends AsyncDisposable {
  /** `https://localhost:port`, without a slash at the end. */
  readonly url: string;
  readonly caPem: string;
  readonly requests: OutsideRequest[];
}

export interface OutsideRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface PlayedAnswer {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export async function startOutsideServer(
  answer: (request: OutsideRequest) => PlayedAnswer,
  { isPlain = false }: { readonly isPlain?: boolean } = {},
): Promise<OutsideServer> {
  const { certPem, keyPem, caPem } = new TestAuthority().leaf("outside", { uris: [], dnsNames: ["localhost"] });
  const requests: OutsideRequest[] = [];
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const asked = { method, path: url, headers, body: Buffer.concat(chunks).toString() };
      requests.push(asked);
      const { status = 200, type = "application/json", body, headers: more = {} } = answer(asked);
      response.writeHead(status, { "content-type": type, ...more });
      response.end(body);
    });
  };
  const server = isPlain ? createPlainServer(listener) : createServer({ cert: certPem, key: keyPem }, listener);
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `${isPlain ? "http" : "https"}://localhost:${port}`,
    caPem,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
