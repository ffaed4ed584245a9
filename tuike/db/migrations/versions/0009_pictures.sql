-- Media that something beside the catalogue shows, so that they are not cleared away. `used_by` is its id.
CREATE TABLE media_uses (
    name    text NOT NULL REFERENCES media (name),
    used_by text NOT NULL,
    PRIMARY KEY (name, used_by)
);

CREATE INDEX media_uses_used_by ON media_uses (used_by);
