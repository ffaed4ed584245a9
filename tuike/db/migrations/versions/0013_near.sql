-- Who else used a phone, an address, or an account that pays or is paid: found by the digest under which cases know it.

-- What convert_to does depends on the database's encoding, which is UTF8 here and never changes.
CREATE FUNCTION digest_text(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT encode(sha256(convert_to(value, 'UTF8')), 'hex') $$;

CREATE INDEX addresses_phone_digest ON addresses (digest_text(phone)) WHERE phone <> '';
CREATE INDEX addresses_place_digest ON addresses (digest_text(region || ' ' || detail)) WHERE detail <> '';
CREATE INDEX withdrawals_account_digest ON withdrawals (digest_text(method || '|' || account)) WHERE account IS NOT NULL;
CREATE INDEX payments_payer_digest ON payments (digest_text(provider || '|' || payer_id))
    WHERE payer_id IS NOT NULL AND state = 'succeeded';
CREATE INDEX orders_visitor ON orders (visitor_id) WHERE visitor_id IS NOT NULL;

-- A group that orders alone prove is a case before a sweep has seen it.
ALTER TABLE risk_cases DROP CONSTRAINT risk_cases_source_check,
    ADD CONSTRAINT risk_cases_source_check CHECK (source IN ('sweep', 'person', 'orders'));
