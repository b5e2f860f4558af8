/**
 * How applications read the target of a request, as the frameworks named here do in their default settings or a common one. Written
 * without regard to how the proxy reads it.
 */
export interface AppModel {
  readonly name: string;
  /** The path that is routed by, of a target with its query. */
  readonly read: (target: string) => string;
}

const withoutQuery = (target: string): string => target.split("?", 1)[0] ?? "";

function unescaped(text: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = Number.parseInt(text.slice(i + 1, i + 3), 16);
    if (text[i] === "%" && /^[0-9a-f]{2}$/i.test(text.slice(i + 1, i + 3))) {
      bytes.push(code);
      i += 2;
    } else bytes.push(text.charCodeAt(i));
  }
  return Buffer.from(bytes).toString("utf8");
}

/** A slash at the end stays one, as in Go's ServeMux. */
function clean(path: string): string {
  const kept: string[] = [];
  const steps = path.split("/");
  for (const step of steps) {
    if (step === "" || step === ".") continue;
    if (step === "..") kept.pop();
    else kept.push(step);
  }
  const isFolder = kept.length > 0 && ["", ".", ".."].includes(steps.at(-1) ?? "");
  return `/${kept.join("/")}${isFolder ? "/" : ""}`;
}

function dotsOnly(path: string): string {
  const kept: string[] = [];
  for (const step of path.split("/").slice(1)) {
    if (step === ".") continue;
    if (step === "..") kept.pop();
    else kept.push(step);
  }
  return `/${kept.join("/")}`;
}

const cutParameters = (path: string): string =>
  path
    .split("/")
    .map((step) => step.split(";", 1)[0])
    .join("/");

export const appModels: readonly AppModel[] = [
  { name: "plain (Express, Fastify's raw url)", read: withoutQuery },
  { name: "decode (Flask, Rails, ASP.NET)", read: (target) => unescaped(withoutQuery(target)) },
  { name: "clean (Go's ServeMux, undecoded)", read: (target) => clean(withoutQuery(target)) },
  { name: "decode, clean (Go's URL.Path, nginx)", read: (target) => clean(unescaped(withoutQuery(target))) },
  { name: "clean, decode", read: (target) => unescaped(clean(withoutQuery(target))) },
  { name: "decode, resolve dots (WSGI servers)", read: (target) => dotsOnly(unescaped(withoutQuery(target))) },
  { name: "cut ; (Spring)", read: (target) => cutParameters(withoutQuery(target)) },
  {
    name: "cut ;, decode, clean (Tomcat, Jetty)",
    read: (target) => clean(unescaped(cutParameters(withoutQuery(target)))),
  },
  { name: "decode, cut ;, clean", read: (target) => clean(cutParameters(unescaped(withoutQuery(target)))) },
  { name: "decode twice, clean", read: (target) => clean(unescaped(unescaped(withoutQuery(target)))) },
  {
    name: "decode, \\ as /, clean (IIS)",
    read: (target) => clean(unescaped(withoutQuery(target)).replaceAll("\\", "/")),
  },
];
