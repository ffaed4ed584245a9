/** What a route takes and answers, read off the generated `paths`. */

import type { paths } from "./schema.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** The routes that have a method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends { readonly responses: unknown } ? P : never;
}[keyof paths];

type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;

type Ids<O> = O extends { readonly parameters: { readonly path: infer T } } ? T : never;
type Query<O> = O extends { readonly parameters: { readonly query?: infer T } } ? NonNullable<T> : never;
type Body<O> = O extends { readonly requestBody: { readonly content: { readonly "application/json": infer T } } } ? T : never;
type OptionalBody<O> = O extends { readonly requestBody?: { readonly content: { readonly "application/json": infer T } } }
  ? T
  : never;

type Part<Name extends string, T> = [T] extends [never] ? unknown : { readonly [N in Name]: T };
type OptionalPart<Name extends string, T> = [T] extends [never] ? unknown : { readonly [N in Name]?: T };

/** What a call carries: `path` ids, `query` and `body` as the route declares them, and how it is sent. */
export type Parts<P extends keyof paths, M extends Method> = Part<"path", Ids<Operation<P, M>>> &
  OptionalPart<"query", Query<Operation<P, M>>> &
  ([Body<Operation<P, M>>] extends [never]
    ? OptionalPart<"body", OptionalBody<Operation<P, M>>>
    : Part<"body", Body<Operation<P, M>>>) &
  Manner;

export interface Manner {
  /** The caller's own name for a change, so that sending it again has no second effect; made up when left out. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** `true` when every part of a call may be left out. */
export type MayBeEmpty<P extends keyof paths, M extends Method> = Manner extends Parts<P, M> ? true : false;

type Success<R> = R extends { readonly 200: infer T }
  ? T
  : R extends { readonly 201: infer T }
    ? T
    : R extends { readonly 202: infer T }
      ? T
      : R extends { readonly 204: infer T }
        ? T
        : never;

type Content<T> = T extends { readonly content: { readonly "application/json": infer C } } ? C : undefined;

/** The document that a route answers with when it succeeds. */
export type AnswerOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { readonly responses: infer R } ? Content<Success<R>> : never;
