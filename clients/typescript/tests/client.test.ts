/** The client against a running service: TUIKE_URL and TUIKE_KEY (scope operator) say where. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { createTuike, TuikeError, Unanswered, useFetch, useWechat, type Transport } from "../src/index.ts";

const baseUrl = process.env["TUIKE_URL"] ?? "";
const key = process.env["TUIKE_KEY"] ?? "";
const tuike = createTuike({ baseUrl, token: () => key });

async function makePromoter() {
  return tuike.post("/api/v1/promoters", { body: { external_id: randomUUID(), name: "韩梅梅" } });
}

test("a promoter is made, read and found above another", async () => {
  const top = await makePromoter();
  const below = await tuike.post("/api/v1/promoters", {
    body: { external_id: randomUUID(), name: "Li Lei", inviter_id: top.id },
  });
  assert.equal(below.inviter_id, top.id);
  const path = { promoter_id: below.id };
  assert.equal((await tuike.get("/api/v1/promoters/{promoter_id}", { path })).name, "Li Lei");
  const upline = await tuike.get("/api/v1/promoters/{promoter_id}/upline", { path });
  assert.deepEqual(upline.items.map((above) => above.promoter_id), [top.id]);
});

test("a refusal says its code, its fields and its request", async () => {
  const refused = await tuike
    .post("/api/v1/orders", {
      body: {
        external_id: randomUUID(),
        buyer_id: "b",
        placed_at: new Date().toISOString(),
        lines: [{ sku: "s", quantity: 1, amount_minor: 0 }],
      },
    })
    .catch((error: unknown) => error);
  assert.ok(refused instanceof TuikeError);
  assert.deepEqual([refused.status, refused.code], [422, "amount_not_positive"]);
  assert.ok(Object.keys(refused.fields).includes("lines.0.amount_minor"));
  assert.match(refused.requestId ?? "", /^req_/);
});

test("a change whose answer was lost is sent again and happens once", async () => {
  const external_id = randomUUID();
  let sent = 0;
  const lossy: Transport = async (request) => {
    const received = await useFetch()(request);
    sent += 1;
    if (sent === 1) throw new Error("the line went dead");
    return received;
  };
  const over = createTuike({ baseUrl, token: () => key, transport: lossy, waitMs: 1 });
  const made = await over.post("/api/v1/promoters", { body: { external_id, name: "Once" } });
  assert.equal(sent, 2);
  assert.equal(made.external_id, external_id);
});

test("a token that is refused is renewed once", async () => {
  let token = "tk_stale";
  const renewing = createTuike({
    baseUrl,
    token: () => token,
    renew: async () => {
      token = key;
      return true;
    },
  });
  assert.equal((await renewing.get("/api/v1/plans/default")).levels_max, 2);
  const hopeless = createTuike({ baseUrl, token: () => "tk_wrong", renew: async () => true });
  await assert.rejects(hopeless.get("/api/v1/plans/default"), { status: 401, code: "unauthenticated" });
});

test("silence is told from a refusal", async () => {
  const nowhere = createTuike({ baseUrl: "http://127.0.0.1:1", retries: 1, waitMs: 1 });
  await assert.rejects(nowhere.get("/api/v1/plans/default"), Unanswered);
});

test("ids are escaped and never left out", async () => {
  const path = { promoter_id: "../orders?x=/" };
  await assert.rejects(tuike.get("/api/v1/promoters/{promoter_id}", { path }), { status: 404 });
  await assert.rejects(tuike.get("/api/v1/promoters/{promoter_id}", { path: { promoter_id: "" } }), TypeError);
});

test("a mini-program calls through wx.request", async () => {
  const wx = {
    request(options: Parameters<Parameters<typeof useWechat>[0]["request"]>[0]) {
      const body = options.data === undefined ? {} : { body: options.data };
      fetch(options.url, { method: options.method, headers: options.header, ...body }).then(
        async (answer) =>
          options.success({
            statusCode: answer.status,
            header: Object.fromEntries(answer.headers),
            data: await answer.text(),
          }),
        (fault: unknown) => options.fail({ errMsg: String(fault) }),
      );
      return { abort() {} };
    },
  };
  const mini = createTuike({ baseUrl, token: () => key, transport: useWechat(wx) });
  assert.equal((await mini.get("/api/v1/plans/default")).levels_max, 2);
});
