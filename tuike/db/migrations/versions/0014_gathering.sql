-- Cases that orders opened and no sweep has said anything about.
CREATE INDEX risk_cases_unseen_idx ON risk_cases (created_at)
    WHERE state = 'open' AND source = 'orders' AND sweep_id IS NULL;

-- The findings that name a promoter, whoever bought: an erasure looks for what it used there.
CREATE INDEX risk_checks_findings_idx ON risk_checks USING gin (findings jsonb_path_ops) WHERE dry_outcome <> 'pass';
