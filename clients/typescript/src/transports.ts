/** How bytes travel: `fetch` where there is one, `wx.request` in a WeChat mini-program. */

export interface Sent {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export interface Received {
  readonly status: number;
  /** The value of a header, whatever its case. */
  header(name: string): string | undefined;
  readonly body: string;
}

/** Sends one request; rejects when no answer came. */
export type Transport = (request: Sent) => Promise<Received>;

/** Return a transport over `fetch`. */
export function useFetch(fetcher: typeof fetch = globalThis.fetch): Transport {
  return async ({ method, url, headers, body, signal }) => {
    const answer = await fetcher(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      status: answer.status,
      header: (name) => answer.headers.get(name) ?? undefined,
      body: await answer.text(),
    };
  };
}

/** The part of `wx` that is needed here. */
export interface Wechat {
  request(options: {
    url: string;
    method: string;
    header: Record<string, string>;
    data?: string;
    dataType: string;
    responseType: "text";
    success(answer: { statusCode: number; header: Record<string, string>; data: unknown }): void;
    fail(fault: { errMsg: string }): void;
  }): { abort(): void };
}

/** Return a transport over `wx.request`, for a WeChat mini-program. */
export function useWechat(wx: Wechat): Transport {
  return ({ method, url, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const task = wx.request({
        url,
        method,
        header: { ...headers },
        ...(body === undefined ? {} : { data: body }),
        dataType: "text", // anything but "json": numbers must reach our own parser as they were sent
        responseType: "text",
        success({ statusCode, header, data }) {
          const byName = new Map(Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]));
          resolve({ status: statusCode, header: (name) => byName.get(name.toLowerCase()), body: String(data) });
        },
        fail: ({ errMsg }) => reject(new Error(errMsg)),
      });
      signal?.addEventListener("abort", () => task.abort(), { once: true });
    });
}
