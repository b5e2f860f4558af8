import { dlopen, FFIType, ptr } from "bun:ffi";

/** What Bun has no word for. */
export interface SocketOption {
  readonly level: number;
  readonly option: number;
  /** The bytes that the kernel reads. */
  readonly value: Buffer;
}

/** `setsockopt(2)`; false where it is refused, or cannot be called. Linux only. */
export function setSocketOption(fd: number, { level, option, value }: SocketOption): boolean {
  const call = setsockopt();
  return call !== undefined && call(fd, level, option, ptr(value), value.length) === 0;
}

type SetSockOpt = (fd: number, level: number, option: number, value: ReturnType<typeof ptr>, size: number) => number;
let loaded: SetSockOpt | undefined;

/** Loaded when it is first needed: who needs it not pays nothing for it. */
function setsockopt(): SetSockOpt | undefined {
  if (process.platform !== "linux") return undefined;
  loaded ??= loadSetsockopt();
  return loaded;
}

function loadSetsockopt(): SetSockOpt | undefined {
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  for (const name of ["libc.so.6", `libc.musl-${architecture}.so.1`]) {
    try {
      const { symbols } = dlopen(name, {
        setsockopt: {
          args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32],
          returns: FFIType.i32,
        },
      });
      return symbols.setsockopt;
    } catch {
      // The other C library, or one that does not let itself be loaded.
    }
  }
  return undefined;
}
