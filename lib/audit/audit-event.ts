/**
 * What the audit log says about one change, in the words of Consul Enterprise's audit log, with ours beside them where
 * those say nothing: `resources`, `request.id`, `auth.auth_method`, `auth.node`, `response.index`, `server`. No secret of a
 * token, no value of a key and no private key is ever part of one; of a value its size and the begin of its hash.
 */
export interface AuditEvent {
  /** RFC 3339, when the line was made. */
  readonly created_at: string;
  readonly event_type: "audit";
  readonly payload: AuditPayload;
}

/** Both events of an operation have the same id. */
export interface AuditPayload {
  readonly id: string;
  readonly version: "1";
  /** By a request of the HTTP API, or by an agent that brings the catalog in line with what it looks after. */
  readonly type: "HTTPEvent" | "AgentEvent";
  readonly timestamp: string;
  readonly auth: AuditAuth;
  readonly request: AuditRequest;
  readonly resources: readonly AuditResource[];
  readonly server: AuditServer;
  readonly stage: "OperationStart" | "OperationComplete";
  /** Of `OperationComplete`. */
  readonly response?: AuditResponse;
}

/** Who: all empty where access control is off. */
export interface AuditAuth {
  readonly accessor_id: string;
  readonly description: string;
  readonly create_time: string;
  /** By whose login the token was made; empty for all others. */
  readonly auth_method: string;
  /** The node whose agent proved itself with its certificate, where the change came from one. */
  readonly node?: string;
}

export interface AuditRequest {
  /** The method; for agents `register` or `deregister`. */
  readonly operation: string;
  /** The path as it was sent, without its query. */
  readonly endpoint: string;
  /** The pattern of the route, by which lines can be grouped. */
  readonly route: string;
  readonly query_params: Readonly<Record<string, string>>;
  readonly remote_addr: string;
  readonly user_agent: string;
  readonly host: string;
  /** By which the log knows a retry; empty where the request was refused before it had one. */
  readonly id: string;
}

/** One thing that the change is about. */
export interface AuditResource {
  readonly type: string;
  readonly name: string;
  /** The node that it is on, for services and checks. */
  readonly node?: string;
  /** What is done to it, where one request does several things. */
  readonly operation?: string;
  /** Of a value: its length, and the first 16 hex digits of its SHA-256. */
  readonly bytes?: number;
  readonly sha256?: string;
}

export interface AuditResponse {
  /** The status of HTTP; for agents the code of the error, `OK` where there was none. */
  readonly status: string;
  /** At which the change was made; absent where none was. */
  readonly index?: number;
  /** What the request made, where its answer is what names it. */
  readonly created?: AuditResource;
}

export interface AuditServer {
  readonly node: string;
  readonly datacenter: string;
}

export const nobody: AuditAuth = { accessor_id: "", description: "", create_time: "", auth_method: "" };
