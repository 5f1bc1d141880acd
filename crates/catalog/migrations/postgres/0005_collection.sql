-- Since when nothing refers to a blob, as far as collection has seen.
ALTER TABLE blob ADD COLUMN unused_since BIGINT;
CREATE INDEX blob_unused ON blob (unused_since) WHERE unused_since IS NOT NULL;

-- Blobs that stay although nothing refers to them.
CREATE TABLE hold (
    sha256 BYTEA NOT NULL PRIMARY KEY,
    reason TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX publication_state_render ON publication_state (render_key);
