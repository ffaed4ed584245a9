/** What a refused or failed call throws. */

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly fields?: Readonly<Record<string, readonly string[]>>;
  readonly part?: string;
  readonly request_id?: string;
}

/** A refusal by the service: branch on `code`, show `message`, mark `fields`. */
export class TuikeError extends Error {
  readonly status: number;
  readonly code: string;
  /** The fields at fault by path, such as `lines.0.amount_minor`. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  /** With status 503: which part of the service is down. */
  readonly part: string | undefined;
  /** Names the request in the service's logs. */
  readonly requestId: string | undefined;
  /** How long the service asks to wait before the next try. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, error: ErrorBody, retryAfterSeconds?: number) {
    super(error.message);
    this.name = "TuikeError";
    this.status = status;
    this.code = error.code;
    this.fields = error.fields ?? {};
    this.part = error.part;
    this.requestId = error.request_id;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** No answer came: the network is down or the call was aborted. A change may or may not have been done. */
export class Unanswered extends Error {
  constructor(cause: unknown) {
    super("tuike did not answer.", { cause });
    this.name = "Unanswered";
  }
}
