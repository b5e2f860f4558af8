import { Type } from "typebox";
import type { HttpApi } from "../../http-api.ts";
import { mustBe } from "../client-command.ts";

const ttl = "15s";
const renewMs = 7_500;

/** A session that is renewed until it is closed, which ends it. */
export interface KeptSession {
  readonly id: string;
  close(): Promise<void>;
}

/** `behavior` says what becomes of its entries when it ends. `onGone` is called when the servers have ended it. */
export async function openSession(
  api: HttpApi,
  options: { readonly name: string; readonly behavior: "release" | "delete"; readonly onGone: () => void },
): Promise<KeptSession> {
  const body = JSON.stringify({ Name: options.name, TTL: ttl, Behavior: options.behavior });
  const answer = await api.json({ method: "PUT", path: "/v1/session/create", body });
  const id = mustBe(Type.Object({ ID: Type.String() }), answer, "a session").ID;
  const timer = setInterval(() => {
    api
      .ask({ method: "PUT", path: `/v1/session/renew/${id}`, timeoutMs: renewMs })
      .then(({ status }) => (status === 404 ? options.onGone() : undefined))
      // The next one may get through; when none does in time, the servers end the session and the watch sees it.
      .catch(() => undefined);
  }, renewMs);
  return {
    id,
    async close() {
      clearInterval(timer);
      await api.ask({ method: "PUT", path: `/v1/session/destroy/${id}` }).catch(() => undefined);
    },
  };
}
