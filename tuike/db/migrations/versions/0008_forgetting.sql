-- The one thing that ever leaves the journal: what a person used, once a later row says that it is forgotten.

CREATE FUNCTION journal_forgets_identifiers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.kind = 'identifier' AND EXISTS (
        SELECT 1 FROM journal f
        WHERE f.kind = 'identifiers_forgotten' AND f.subject = OLD.subject AND f.seq > OLD.seq
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;

DROP TRIGGER journal_keeps_rows ON journal;
CREATE TRIGGER journal_keeps_rows BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER journal_keeps_each_row BEFORE DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_forgets_identifiers();
