/** A network namespace of its own for one process, joined to this machine by one cable that can be cut. Needs root and `ip`. */
export interface CutNetwork extends AsyncDisposable {
  /** This machine's end of the cable. */
  readonly hostAddress: string;
  /** The other end. */
  readonly address: string;
  /** What a command line begins with that runs behind the cable. */
  readonly prefix: readonly string[];
  /** From now on nothing arrives, in either direction, and nobody is told. */
  cut(): Promise<void>;
}

/** Undefined where it cannot be made: no root, no `ip`, no namespaces. */
export async function createCutNetwork(): Promise<CutNetwork | undefined> {
  const id = process.pid % 1_000_000;
  const name = `atoll-${id}`;
  const [outer, inner] = [`ato${id}`, `ati${id}`];
  const octet = 1 + (process.pid % 250);
  const [hostAddress, address] = [`10.231.${octet}.1`, `10.231.${octet}.2`];
  const inside = (...command: string[]): Promise<boolean> => run("ip", "netns", "exec", name, ...command);
  const remove = async (): Promise<void> => {
    await run("ip", "link", "del", outer);
    await run("ip", "netns", "del", name);
  };
  const isMade =
    (await run("ip", "netns", "add", name)) &&
    (await run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)) &&
    (await run("ip", "link", "set", inner, "netns", name)) &&
    (await run("ip", "addr", "add", `${hostAddress}/24`, "dev", outer)) &&
    (await run("ip", "link", "set", outer, "up")) &&
    (await inside("ip", "addr", "add", `${address}/24`, "dev", inner)) &&
    (await inside("ip", "link", "set", inner, "up")) &&
    (await inside("ip", "link", "set", "lo", "up"));
  if (!isMade) {
    await remove();
    return undefined;
  }
  return {
    hostAddress,
    address,
    prefix: ["ip", "netns", "exec", name],
    async cut() {
      await run("ip", "link", "set", outer, "down");
    },
    [Symbol.asyncDispose]: remove,
  };
}

async function run(...command: string[]): Promise<boolean> {
  try {
    return (await Bun.spawn(command, { stdout: "ignore", stderr: "ignore" }).exited) === 0;
  } catch {
    return false;
  }
}
