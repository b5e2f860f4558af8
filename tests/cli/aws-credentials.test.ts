import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findAwsCredentials, findAwsRegion } from "../../cli/client/acl/aws-credentials.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { createOutsideCall } from "../../server/login/outside-call.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type OutsideServer, startOutsideServer } from "../server/login/outside-server.ts";

/** Where credentials of AWS come from, with the services that issue them played. */
let dir: TempDir;
let aws: OutsideServer;
const call = createOutsideCall(systemClock);

beforeAll(async () => {
  dir = createTempDir();
  aws = await startOutsideServer(
    ({ method, path, headers }) => {
      const issued = (id: string) => ({ body: JSON.stringify({ AccessKeyId: id, SecretAccessKey: "s", Token: "t" }) });
      if (path === "/task") return headers.authorization === "word" ? issued("OFTASK") : { status: 403, body: "" };
      if (path === "/text") return { body: "no JSON" };
      if (path === "/latest/api/token") return method === "PUT" ? { body: "session" } : { status: 405, body: "" };
      if (headers["x-aws-ec2-metadata-token"] !== "session") return { status: 401, body: "" };
      if (path === "/latest/meta-data/iam/security-credentials/") return { body: "web-role\nother" };
      return path.endsWith("/web-role") ? issued("OFINSTANCE") : { status: 404, body: "" };
    },
    { isPlain: true },
  );
  writeFileSync(
    join(dir.path, "credentials"),
    "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key=a/b+c=\n\n[ops]\n# of the team\naws_access_key_id=OPS\naws_secret_access_key=s\naws_session_token=t\n",
  );
  writeFileSync(join(dir.path, "config"), "[default]\nregion = eu-central-1\n[profile ops]\nregion=us-west-2\n");
  writeFileSync(join(dir.path, "word"), "word\n");
});

afterAll(async () => {
  await aws[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const files = (): Record<string, string> => ({
  AWS_SHARED_CREDENTIALS_FILE: join(dir.path, "credentials"),
  AWS_CONFIG_FILE: join(dir.path, "config"),
});
const nothing = (): Record<string, string> => ({ HOME: join(dir.path, "nobody"), AWS_EC2_METADATA_DISABLED: "true" });

describe("credentials", () => {
  test("of the environment come first", async () => {
    const env = { ...files(), AWS_ACCESS_KEY_ID: "ENV", AWS_SECRET_ACCESS_KEY: "s" };
    expect(await findAwsCredentials(env, call)).toEqual({ id: "ENV", secret: "s", session: "" });
  });

  test("of the files are those of the profile", async () => {
    expect(await findAwsCredentials(files(), call)).toEqual({ id: "DEFAULT", secret: "a/b+c=", session: "" });
    const ops = { ...files(), AWS_PROFILE: "ops" };
    expect(await findAwsCredentials(ops, call)).toEqual({ id: "OPS", secret: "s", session: "t" });
  });

  test("of a task are asked for with its word", async () => {
    const env = { ...nothing(), AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.url}/task` };
    const word = { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(dir.path, "word") };
    expect(await findAwsCredentials({ ...env, ...word }, call)).toEqual({ id: "OFTASK", secret: "s", session: "t" });
    await expect(findAwsCredentials(env, call)).rejects.toThrow("answered 403 instead of credentials");
    const text = { ...nothing(), AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.url}/text` };
    await expect(findAwsCredentials(text, call)).rejects.toThrow("the answer is not credentials");
    const wrong = { ...nothing(), AWS_CONTAINER_CREDENTIALS_FULL_URI: "task" };
    await expect(findAwsCredentials(wrong, call)).rejects.toThrow("is no URL");
  });

  test("of an instance are those of its first role", async () => {
    const env = { HOME: join(dir.path, "nobody"), AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.url };
    expect(await findAwsCredentials(env, call)).toEqual({ id: "OFINSTANCE", secret: "s", session: "t" });
  });

  test("that are nowhere are said to be missing", async () => {
    await expect(findAwsCredentials(nothing(), call)).rejects.toThrow("AWS credentials not found");
    const nobody = { HOME: join(dir.path, "nobody"), AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:1" };
    await expect(findAwsCredentials(nobody, call)).rejects.toThrow("AWS credentials not found");
  });
});

test("a region is that of the environment or of the profile", async () => {
  expect(await findAwsRegion({ ...files(), AWS_REGION: "a", AWS_DEFAULT_REGION: "b" })).toBe("a");
  expect(await findAwsRegion({ ...files(), AWS_DEFAULT_REGION: "b" })).toBe("b");
  expect(await findAwsRegion(files())).toBe("eu-central-1");
  expect(await findAwsRegion({ ...files(), AWS_PROFILE: "ops" })).toBe("us-west-2");
  await expect(findAwsRegion(nothing())).rejects.toThrow("AWS region not found");
});
