import { createHash } from "node:crypto";
import { mkdir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Static, TSchema } from "typebox";
import type { Validator } from "typebox/compile";
import { removeFile, replaceFile } from "../lib/base/durable-file.ts";
import { errorMessage, systemErrorCode } from "../lib/base/errors.ts";
import { parseJsonText } from "../lib/base/json-file.ts";
import type { Logger } from "../lib/base/logger.ts";
import type { CheckStatus } from "../lib/contract/catalog.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { formatIssues, schemaIssues } from "../lib/contract/schema-issues.ts";
import { checkFileValidator, checkStateFileValidator, serviceFileValidator } from "./registration/persisted-schemas.ts";
import type { CheckDefinition, ServiceDefinition } from "./service-definition.ts";

/**
 * Keeps the registrations of this agent under its data directory: `services/` and `checks/` have one file per
 * registration, so that each is there whole or not at all, and `checks/state/` the last status of each check, which is
 * worth having but not worth a disk sync.
 *
 * A file whose content cannot be understood is reported by name and left alone, and the others are used: one damaged file
 * must not take a host's other services out of the catalog. A file that the system refuses to read stops the start,
 * since that is a fault of the machine that would hit the others as well.
 */
export interface RegistrationStore {
  load(): Promise<SavedRegistrations>;
  /** Replaces the file of the registration named after its first service. Durable when it resolves. */
  saveServices(services: readonly ServiceDefinition[]): Promise<void>;
  removeServices(serviceId: string): Promise<void>;
  saveCheck(check: CheckDefinition): Promise<void>;
  removeCheck(checkId: string): Promise<void>;
  /** Written soon; a crash may lose it. */
  saveCheckState(state: SavedCheckState): void;
  removeCheckState(checkId: string): void;
  /** Resolves when the states that were given are written. */
  close(): Promise<void>;
}

export interface SavedRegistrations {
  readonly registrations: readonly SavedService[];
  readonly checks: readonly SavedCheck[];
  readonly states: ReadonlyMap<string, SavedCheckState>;
}

/** Later sequences are newer. */
export interface SavedService {
  readonly sequence: number;
  readonly services: readonly ServiceDefinition[];
}

export interface SavedCheck {
  readonly sequence: number;
  readonly check: CheckDefinition;
}

export interface SavedCheckState {
  readonly checkId: string;
  readonly status: CheckStatus;
  readonly output: string;
  /** Wall clock; 0 for checks that do not expire. */
  readonly expiresAtMs: number;
}

const fileMode = 0o600;
const directoryMode = 0o700;

export function createRegistrationStore(options: {
  readonly dataDir: string;
  readonly logger: Logger;
}): RegistrationStore {
  const { logger } = options;
  const serviceDir = join(options.dataDir, "services");
  const checkDir = join(options.dataDir, "checks");
  const stateDir = join(checkDir, "state");
  let lastSequence = 0;
  const save = (path: string, document: Record<string, unknown>): Promise<void> => {
    lastSequence++;
    const content = `${JSON.stringify({ version: 1, sequence: lastSequence, ...document }, undefined, 2)}\n`;
    return replaceFile({ path, content, mode: fileMode, isDurable: true }).catch((error: unknown) => {
      throw new AtollError("INTERNAL", `cannot write ${path}: ${errorMessage(error)}`, { cause: error });
    });
  };
  const states = createStateWriter(stateDir, logger);
  return {
    async load() {
      for (const path of [serviceDir, stateDir]) await mkdir(path, { recursive: true, mode: directoryMode });
      const services = await readDocuments(serviceDir, serviceFileValidator, logger);
      const checks = await readDocuments(checkDir, checkFileValidator, logger);
      const saved = await readDocuments(stateDir, checkStateFileValidator, logger);
      for (const { sequence } of [...services, ...checks]) lastSequence = Math.max(lastSequence, sequence);
      return { registrations: services, checks, states: new Map(saved.map((state) => [state.checkId, state])) };
    },
    async saveServices(services) {
      const [first] = services;
      if (first !== undefined) await save(join(serviceDir, fileName(first.id)), { services });
    },
    removeServices: (serviceId) => removeFile(join(serviceDir, fileName(serviceId))),
    saveCheck: (check) => save(join(checkDir, fileName(check.checkId)), { check }),
    removeCheck: (checkId) => removeFile(join(checkDir, fileName(checkId))),
    saveCheckState: (state) => states.put(state.checkId, state),
    removeCheckState: (checkId) => states.put(checkId, undefined),
    close: () => states.drained(),
  };
}

/** Ids may hold characters that file names may not. */
function fileName(id: string): string {
  return `${createHash("sha256").update(id).digest("hex")}.json`;
}

/** Writes the newest state of each check, one file at a time; states that were overtaken are skipped. */
function createStateWriter(
  directory: string,
  logger: Logger,
): { put(checkId: string, state: SavedCheckState | undefined): void; drained(): Promise<void> } {
  const waiting = new Map<string, SavedCheckState | undefined>();
  let writing: Promise<void> | undefined;
  const writeAll = async (): Promise<void> => {
    for (;;) {
      const next = waiting.entries().next();
      if (next.done === true) return;
      const [checkId, state] = next.value;
      waiting.delete(checkId);
      const path = join(directory, fileName(checkId));
      try {
        if (state === undefined) await removeFile(path);
        else {
          const content = JSON.stringify({ version: 1, ...state });
          await replaceFile({ path, content, mode: fileMode, isDurable: false });
        }
      } catch (error) {
        logger.warn("the status of a check could not be saved", { check: checkId, path, error: errorMessage(error) });
      }
    }
  };
  return {
    put(checkId, state) {
      waiting.set(checkId, state);
      writing ??= writeAll().finally(() => {
        writing = undefined;
      });
    },
    drained: () => writing ?? Promise.resolve(),
  };
}

async function readDocuments<S extends TSchema>(
  directory: string,
  validator: Validator<Record<string, never>, S>,
  logger: Logger,
): Promise<Static<S>[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".json")).sort();
  const documents: Static<S>[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const document = readDocument(await readText(path), validator);
    if (document.ok) documents.push(document.value);
    else
      logger.error("a saved registration cannot be used and is left out: repair or remove the file", {
        file: path,
        problem: document.problem,
      });
  }
  return documents;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = systemErrorCode(error) ?? "error";
    throw new AtollError(
      "DATA_CORRUPT",
      `cannot read the saved registration ${path}: ${code}: check its owner and the disk`,
      {
        cause: error,
      },
    );
  }
}

function readDocument<S extends TSchema>(
  text: string,
  validator: Validator<Record<string, never>, S>,
): { readonly ok: true; readonly value: Static<S> } | { readonly ok: false; readonly problem: string } {
  const parsed = parseJsonText(text);
  if (!parsed.ok) return { ok: false, problem: `line ${parsed.line}, column ${parsed.column}: ${parsed.message}` };
  if (validator.Check(parsed.value)) return { ok: true, value: parsed.value };
  return { ok: false, problem: formatIssues(schemaIssues(validator, parsed.value)) };
}
