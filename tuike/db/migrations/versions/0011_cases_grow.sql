-- How far a sweep that runs has come.
ALTER TABLE risk_sweeps
    ADD COLUMN stage         text,
    ADD COLUMN stage_done    bigint,
    ADD COLUMN stage_total   bigint,
    ADD COLUMN progressed_at timestamptz;

-- Orders that joined a case since the sweep that last saw it.
ALTER TABLE risk_cases ADD COLUMN joined_orders_count integer NOT NULL DEFAULT 0;

-- `locked_out`: this case, and nothing before it, banned the person's account in the shop.
ALTER TABLE risk_case_members ADD COLUMN locked_out boolean NOT NULL DEFAULT false;

-- An edge comes from the sweep that found the case, from an order since then, or from looking around a confirmed case.
ALTER TABLE risk_case_evidence
    ADD COLUMN origin   text NOT NULL DEFAULT 'sweep' CHECK (origin IN ('sweep', 'order', 'reach')),
    ADD COLUMN added_at timestamptz;
CREATE INDEX risk_case_evidence_used_idx ON risk_case_evidence (to_id, to_kind) WHERE relation = 'used';

-- Accounts near the members of a confirmed case.
CREATE TABLE risk_reach (
    case_id      text NOT NULL REFERENCES risk_cases (id),
    account_kind text NOT NULL CHECK (account_kind IN ('promoter', 'buyer')),
    account_id   text NOT NULL,
    score        double precision NOT NULL,
    distance     smallint NOT NULL,
    members      integer NOT NULL,
    PRIMARY KEY (case_id, account_kind, account_id)
);
CREATE INDEX risk_reach_account_idx ON risk_reach (account_kind, account_id);

-- What rules said about a promoter's orders.
CREATE INDEX risk_checks_told_of_promoter_idx ON risk_checks (promoter_id, placed_at) WHERE dry_outcome <> 'pass';

-- `near_case` is live for it does nothing before a person has confirmed a case.
INSERT INTO risk_rules (id, version, parameters, action, mode, author_id, author_name, created_at)
SELECT id, 1, parameters::jsonb, action, mode, '', 'tuike', '1970-01-01Z' FROM (VALUES
    ('near_case', '{"score_bps": 5000}', 'review', 'live'),
    ('gathering', '{"buyers": 4, "days": 30, "users_max": 8}', 'review', 'dry_run')
) AS rule (id, parameters, action, mode);
