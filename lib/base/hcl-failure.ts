/** What makes the text unreadable, at the first character that cannot be read. Never leaves this group of files. */
export class HclFailure extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}
