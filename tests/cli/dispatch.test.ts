import { describe, expect, test } from "bun:test";
import type { CliCommand } from "../../cli/command.ts";
import type { CommandEntry } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { createFakeIo } from "./fake-io.ts";

describe("dispatch", () => {
  test("runs the named command with the arguments after its name and returns its exit code", async () => {
    const seen: string[][] = [];
    const { code } = await run(["echo", "-a", "b"], async (args) => {
      seen.push([...args]);
      return 7;
    });
    expect(code).toBe(7);
    expect(seen).toEqual([["-a", "b"]]);
  });

  test.each([
    [["echo", "-h"]],
    [["echo", "-help"]],
    [["echo", "-x", "--help"]],
    [["echo", "help"]],
    [["help", "echo"]],
  ])("%j prints the usage of the command without running it", async (args) => {
    const { code, out, err } = await run(args, async () => {
      throw new Error("must not run");
    });
    expect({ code, out, err }).toEqual({ code: 0, out: "usage of echo\n", err: "" });
  });

  test("--help after -- is an argument, not a question", async () => {
    const { code, out } = await run(["echo", "--", "--help"], async () => 3);
    expect({ code, out }).toEqual({ code: 3, out: "" });
  });

  test.each([[["help"]], [["-h"]], [["--help"]]])("%j lists every command on stdout", async (args) => {
    const { code, out } = await run(args);
    expect(code).toBe(0);
    expect(out).toContain("echo    Says it again");
  });

  test("no command at all lists them on stderr and fails", async () => {
    const { code, out, err } = await run([]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("echo    Says it again");
  });

  test("an unknown command is named with the nearest known one and fails", async () => {
    const { code, err } = await run(["ecoh"]);
    expect(code).toBe(1);
    expect(err).toBe('error: unknown command "ecoh" (did you mean "echo"?); "atoll --help" lists them\n');
  });

  test("a far-off unknown command gets no guess", async () => {
    expect((await run(["frobnicate"])).err).toBe('error: unknown command "frobnicate"; "atoll --help" lists them\n');
  });

  test("an operating error is one line without a stack", async () => {
    const { code, err } = await run(["echo"], () =>
      Promise.reject(new AtollError("ADDRESS_IN_USE", "127.0.0.1:8500 is taken")),
    );
    expect({ code, err }).toEqual({ code: 1, err: "error: 127.0.0.1:8500 is taken\n" });
  });

  test("a defect is printed with its stack", async () => {
    const { code, err } = await run(["echo"], () => Promise.reject(new TypeError("undefined is not a function")));
    expect(code).toBe(1);
    expect(err).toContain("unexpected error, please report it: TypeError: undefined is not a function");
    expect(err).toContain("dispatch.test.ts");
  });
});

async function run(args: readonly string[], body: CliCommand["run"] = async () => 0) {
  const io = createFakeIo();
  const entry: CommandEntry = {
    summary: "Says it again",
    load: async () => ({ usage: "usage of echo\n", run: body }),
  };
  const code = await dispatch(args, new Map([["echo", entry]]), io);
  return { code, out: io.out(), err: io.err() };
}
