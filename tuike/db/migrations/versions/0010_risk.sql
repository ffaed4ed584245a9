-- Rules with their versions, what they said of each order, what is held and why, cases with their history, sweeps.

CREATE TABLE risk_rules (
    id          text NOT NULL,
    version     integer NOT NULL,
    parameters  jsonb NOT NULL,
    action      text NOT NULL CHECK (action IN ('hold', 'review')),
    mode        text NOT NULL CHECK (mode IN ('off', 'dry_run', 'live')),
    author_id   text NOT NULL,
    author_name text NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON risk_rules
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What decides by itself only records. The two that are live do nothing before a person has decided: on a case, or by
-- putting somebody on the list.
INSERT INTO risk_rules (id, version, parameters, action, mode, author_id, author_name, created_at)
SELECT id, 1, parameters::jsonb, action, mode, '', 'tuike', '1970-01-01Z' FROM (VALUES
    ('case_held', '{}', 'hold', 'live'),
    ('deny_list', '{}', 'hold', 'live'),
    ('case_open', '{}', 'review', 'dry_run'),
    ('shared_identifier', '{"users_max": 8}', 'hold', 'dry_run'),
    ('shared_with_upline', '{"users_max": 8}', 'review', 'dry_run'),
    ('own_team', '{"orders": 5, "days": 30}', 'review', 'dry_run'),
    ('purchase_cycle', '{"length_max": 4, "days": 90}', 'hold', 'dry_run'),
    ('buyer_velocity', '{"orders": 10, "minutes": 60}', 'review', 'dry_run'),
    ('promoter_velocity', '{"orders": 100, "minutes": 10}', 'review', 'dry_run'),
    ('device_velocity', '{"buyers": 4, "minutes": 1440}', 'review', 'dry_run'),
    ('ip_velocity', '{"buyers": 12, "minutes": 60}', 'review', 'dry_run'),
    ('large_order', '{"amount_minor": 1000000}', 'review', 'dry_run'),
    ('fast_order', '{"seconds": 3}', 'review', 'dry_run'),
    ('refund_habit', '{"orders": 5, "refunded_bps": 5000, "days": 90}', 'review', 'dry_run')
) AS rule (id, parameters, action, mode);

-- `value` is an id, or the salted digest of a device or an ip.
CREATE TABLE risk_list_entries (
    id           text PRIMARY KEY,
    list         text NOT NULL CHECK (list IN ('allow', 'deny')),
    kind         text NOT NULL CHECK (kind IN ('person', 'promoter', 'device', 'ip', 'sku')),
    value        text NOT NULL,
    reason       text NOT NULL,
    author_id    text NOT NULL,
    author_name  text NOT NULL,
    added_at     timestamptz NOT NULL,
    removed_at   timestamptz,
    removed_by   text
);
CREATE UNIQUE INDEX risk_list_entries_living ON risk_list_entries (kind, value, list) WHERE removed_at IS NULL;
CREATE INDEX risk_list_entries_list_idx ON risk_list_entries (list, id);

-- One row for each order that earns a promoter something, once it is paid.
CREATE TABLE risk_checks (
    order_id    text PRIMARY KEY,
    buyer_id    text NOT NULL,
    promoter_id text NOT NULL,
    placed_at   timestamptz NOT NULL,
    device_key  text,
    ip_key      text,
    outcome     text NOT NULL CHECK (outcome IN ('pass', 'hold', 'review')),
    dry_outcome text NOT NULL CHECK (dry_outcome IN ('pass', 'hold', 'review')),
    findings    jsonb,
    decision    text CHECK (decision IN ('passed', 'upheld')),
    decided_by  text,
    decided_at  timestamptz,
    reason      text,
    version     integer NOT NULL DEFAULT 1,
    checked_at  timestamptz NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX risk_checks_promoter_idx ON risk_checks (promoter_id, placed_at);
CREATE INDEX risk_checks_device_idx ON risk_checks (device_key, placed_at) WHERE device_key IS NOT NULL;
CREATE INDEX risk_checks_ip_idx ON risk_checks (ip_key, placed_at) WHERE ip_key IS NOT NULL;
CREATE INDEX risk_checks_told_idx ON risk_checks (order_id) WHERE dry_outcome <> 'pass';
CREATE INDEX risk_checks_waiting_idx ON risk_checks (order_id) WHERE outcome <> 'pass' AND decision IS NULL;

CREATE TABLE risk_sweeps (
    id          text PRIMARY KEY,
    state       text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    counts      jsonb,
    seconds     jsonb,
    problem     text
);

CREATE TABLE risk_cases (
    id                    text PRIMARY KEY,
    source                text NOT NULL CHECK (source IN ('sweep', 'person')),
    state                 text NOT NULL CHECK (state IN ('open', 'held', 'confirmed', 'banned', 'innocent')),
    pattern               text NOT NULL,
    score                 double precision NOT NULL,
    orders_count          integer NOT NULL DEFAULT 0,
    commission_base_minor bigint NOT NULL DEFAULT 0,
    summary               text NOT NULL DEFAULT '',
    assignee_id           text,
    assignee_name         text,
    version               integer NOT NULL DEFAULT 1,
    sweep_id              text REFERENCES risk_sweeps (id),
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    decided_at            timestamptz,
    decided_by            text
);
CREATE INDEX risk_cases_state_idx ON risk_cases (state, id);

-- `banned`: suspended by this case, and by nothing before it.
CREATE TABLE risk_case_members (
    case_id      text NOT NULL REFERENCES risk_cases (id),
    account_kind text NOT NULL CHECK (account_kind IN ('promoter', 'buyer')),
    account_id   text NOT NULL,
    role         text NOT NULL,
    score        double precision NOT NULL,
    accused      boolean NOT NULL,
    held         boolean NOT NULL DEFAULT false,
    banned       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (case_id, account_kind, account_id)
);
CREATE INDEX risk_case_members_account_idx ON risk_case_members (account_kind, account_id);

CREATE TABLE risk_case_evidence (
    case_id   text NOT NULL REFERENCES risk_cases (id),
    no        integer NOT NULL,
    from_kind text NOT NULL,
    from_id   text NOT NULL,
    relation  text NOT NULL,
    to_kind   text NOT NULL,
    to_id     text NOT NULL,
    weight    double precision NOT NULL,
    PRIMARY KEY (case_id, no)
);

CREATE TABLE risk_case_events (
    case_id    text NOT NULL REFERENCES risk_cases (id),
    no         integer NOT NULL,
    at         timestamptz NOT NULL,
    actor_id   text NOT NULL,
    actor_name text NOT NULL,
    action     text NOT NULL,
    note       text NOT NULL,
    detail     jsonb NOT NULL,
    PRIMARY KEY (case_id, no)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON risk_case_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Why an entry is frozen. An entry goes on when nothing holds it any more.
CREATE TABLE risk_holds (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id  text NOT NULL,
    level     smallint NOT NULL,
    case_id   text REFERENCES risk_cases (id),
    rule_id   text,
    placed_at timestamptz NOT NULL,
    lifted_at timestamptz,
    CHECK (case_id IS NOT NULL OR rule_id IS NOT NULL)
);
CREATE INDEX risk_holds_entry_idx ON risk_holds (order_id, level) WHERE lifted_at IS NULL;
CREATE INDEX risk_holds_case_idx ON risk_holds (case_id) WHERE lifted_at IS NULL AND case_id IS NOT NULL;
