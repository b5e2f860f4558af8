/** Of the engine, and not yet in TypeScript's library: a number that is written with these very digits. */
interface JSON {
  rawJSON(digits: string): object;
}
