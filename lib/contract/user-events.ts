/** Something that a user told the nodes of the mesh. The newest are kept, for who asks after them. */
export interface UserEvent {
  readonly ID: string;
  readonly Name: string;
  /** Base64. */
  readonly Payload: string;
  /** RE2, looked for in the names of nodes, services and tags: the nodes that it is meant for; empty for all. */
  readonly NodeFilter: string;
  readonly ServiceFilter: string;
  readonly TagFilter: string;
  /** One more than that of the event before. */
  readonly LTime: number;
}

export const maxEvents = 256;
/** As much as Consul's gossip carries. */
export const maxEventPayloadBytes = 512;
