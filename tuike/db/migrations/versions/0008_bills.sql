-- Fees as bills have them, in millionths of a yuan: they are fractions of a 分. What a bill adds up to, kept with it.
-- fee_minor stays, for the version before, until nothing writes it.

ALTER TABLE bill_lines ADD COLUMN fee_micros bigint NOT NULL DEFAULT 0, ALTER COLUMN fee_minor DROP NOT NULL;
UPDATE bill_lines SET fee_micros = fee_minor * 10000 WHERE fee_minor <> 0;

ALTER TABLE bills
    ADD COLUMN payments integer NOT NULL DEFAULT 0,
    ADD COLUMN payments_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN refunds integer NOT NULL DEFAULT 0,
    ADD COLUMN refunds_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN fee_micros bigint NOT NULL DEFAULT 0;
UPDATE bills b SET payments = s.payments, payments_minor = s.payments_minor, refunds = s.refunds,
       refunds_minor = s.refunds_minor, fee_micros = s.fee_micros
FROM (SELECT provider, on_day,
             count(*) FILTER (WHERE what = 'payment') AS payments,
             coalesce(sum(amount_minor) FILTER (WHERE what = 'payment'), 0) AS payments_minor,
             count(*) FILTER (WHERE what = 'refund') AS refunds,
             coalesce(sum(amount_minor) FILTER (WHERE what = 'refund'), 0) AS refunds_minor,
             sum(fee_micros) AS fee_micros
      FROM bill_lines GROUP BY provider, on_day) s
WHERE s.provider = b.provider AND s.on_day = b.on_day;

-- Whom a difference was resolved by: a person's or a key's id; 'comparison' where a later one found it gone.
ALTER TABLE bill_differences ADD COLUMN resolved_by text;
UPDATE bill_differences SET resolved_by = 'comparison' WHERE resolved_at IS NOT NULL AND note = 'agrees now';
