/**
 * A typed client of tuike's REST API: every route with the shapes of its ids, query, body and answer.
 *
 * ```ts
 * const tuike = createTuike({ baseUrl: "https://api.example", token: () => session.accessToken });
 * const order = await tuike.get("/api/v1/orders/{order_id}", { path: { order_id } });
 * ```
 */

import { TuikeError, Unanswered, type ErrorBody } from "./errors.ts";
import type { AnswerOf, Manner, MayBeEmpty, Method, PathOf, Parts } from "./shapes.ts";
import { useFetch, type Received, type Transport } from "./transports.ts";

export { TuikeError, Unanswered } from "./errors.ts";
export type { AnswerOf, Parts, PathOf } from "./shapes.ts";
export { useFetch, useWechat, type Transport } from "./transports.ts";
export type { components, operations, paths } from "./schema.ts";

export interface Settings {
  /** Where the service is, without a slash at the end. */
  readonly baseUrl: string;
  /** The API key or access token to call with; asked before every try. */
  readonly token?: () => string | undefined;
  /** Called once when a token is refused: get a new one, and return whether there is one now. */
  readonly renew?: () => Promise<boolean>;
  readonly transport?: Transport;
  /** How often a call is tried again when the service is busy, a part is down, or no answer comes. */
  readonly retries?: number;
  /** The first wait between two tries; each further one is twice as long. */
  readonly waitMs?: number;
}

type Arguments<P extends PathOf<M>, M extends Method> =
  MayBeEmpty<P, M> extends true ? [parts?: Parts<P, M>] : [parts: Parts<P, M>];

type Call<M extends Method> = <P extends PathOf<M>>(path: P, ...parts: Arguments<P, M>) => Promise<AnswerOf<P, M>>;

/** The service: one function a method. Each throws `TuikeError` for a refusal and `Unanswered` for silence. */
export type Tuike = { readonly [M in Method]: Call<M> };

interface AnyParts extends Manner {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | null | undefined>>;
  readonly body?: unknown;
}

const TRY_AGAIN = new Set([429, 502, 503, 504]);

/** Return a client. A call that changes something carries an `Idempotency-Key`, so trying it again is safe. */
export function createTuike(settings: Settings): Tuike {
  const transport = settings.transport ?? useFetch();
  const retries = settings.retries ?? 2;

  async function call(method: Method, path: string, parts: AnyParts = {}): Promise<unknown> {
    const url = settings.baseUrl + fillPath(path, parts.path ?? {}) + writeQuery(parts.query ?? {});
    const body = parts.body === undefined ? undefined : JSON.stringify(parts.body);
    const key = method === "get" ? undefined : (parts.idempotencyKey ?? makeKey());
    let isRenewed = false;
    for (let tried = 0; ; tried += 1) {
      const received = await send(method, url, body, key, parts.signal).catch((fault: unknown) => {
        if (parts.signal?.aborted || tried >= retries) throw new Unanswered(fault);
        return undefined;
      });
      if (received !== undefined) {
        if (received.status === 401 && !isRenewed && settings.renew !== undefined) {
          isRenewed = true;
          if (await settings.renew()) continue;
        }
        if (!TRY_AGAIN.has(received.status) || tried >= retries) return read(received);
      }
      await wait((settings.waitMs ?? 300) * 2 ** tried, received);
    }
  }

  async function send(
    method: Method, url: string, body: string | undefined, key: string | undefined, signal: AbortSignal | undefined,
  ): Promise<Received> {
    const token = settings.token?.();
    return transport({
      method: method.toUpperCase(),
      url,
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(key === undefined ? {} : { "Idempotency-Key": key }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  const methods: readonly Method[] = ["get", "post", "put", "patch", "delete"];
  return Object.fromEntries(
    methods.map((method) => [method, (path: string, parts?: AnyParts) => call(method, path, parts)]),
  ) as unknown as Tuike;
}

function read(received: Received): unknown {
  const document = parse(received.body);
  if (received.status < 400) return document;
  const error = (document as { error?: ErrorBody } | undefined)?.error;
  const after = Number(received.header("Retry-After") ?? Number.NaN);
  throw new TuikeError(
    received.status,
    error ?? { code: "not_tuike", message: `The answer with status ${received.status} is not tuike's.` },
    Number.isNaN(after) ? undefined : after,
  );
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined; // something between here and the service answered
  }
}

function fillPath(path: string, ids: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const id = ids[name];
    if (id === undefined || id === "") throw new TypeError(`${path} needs ${name}`);
    return encodeURIComponent(id);
  });
}

function writeQuery(query: NonNullable<AnyParts["query"]>): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`);
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function makeKey(): string {
  // A mini-program has no crypto.randomUUID; two equal keys of one caller need 2^-53 twice within a millisecond.
  const random = () => Math.random().toString(36).slice(2);
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now().toString(36)}-${random()}${random()}`;
}

function wait(ms: number, received: Received | undefined): Promise<void> {
  const asked = Number(received?.header("Retry-After") ?? Number.NaN);
  const chosen = Number.isNaN(asked) ? ms : Math.min(asked * 1000, 10_000);
  return new Promise((resolve) => setTimeout(resolve, chosen));
}
