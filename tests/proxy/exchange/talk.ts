import { type MemoryMesh, trustDomain, type Wire } from "../memory-mesh.ts";

/** The words in which the tests of exchanges talk with both ends of a mesh. */
export const get = "GET / HTTP/1.1\r\nHost: api\r\n\r\n";
export const ok = (body: string): string => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
export const xfcc = `x-forwarded-client-cert: By=spiffe://${trustDomain}/ns/default/dc/dc1/svc/api;URI=spiffe://${trustDomain}/ns/default/dc/dc1/svc/web\r\n`;
/** What the callee's proxy tells the app of a call, whose scheme is http unless it says otherwise. */
export const told = `x-forwarded-proto: http\r\n${xfcc}`;

/** A message in chunks, apart from how it was cut into them. */
export function unchunked(text: string): { head: string; body: string; trailers: string } {
  const headEnd = text.indexOf("\r\n\r\n") + 2;
  let rest = text.slice(headEnd + 2);
  let body = "";
  for (;;) {
    const size = Number.parseInt(rest, 16);
    const at = rest.indexOf("\r\n") + 2;
    if (size === 0) return { head: text.slice(0, headEnd), body, trailers: rest.slice(at).replace(/\r\n$/, "") };
    body += rest.slice(at, at + size);
    rest = rest.slice(at + size + 2);
  }
}

/** Sends a request through both proxies and returns what the app read. */
export function deliver(mesh: MemoryMesh, client: Wire, text: string): string {
  client.send(text);
  mesh.settle();
  return mesh.app().take();
}

export function answer(mesh: MemoryMesh, client: Wire, text: string): string {
  mesh.app().send(text);
  mesh.settle();
  return client.take();
}
