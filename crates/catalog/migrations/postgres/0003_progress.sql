-- How far the holder of a lease is, for other processes to see.
ALTER TABLE lease ADD COLUMN step TEXT COLLATE "C";
ALTER TABLE lease ADD COLUMN done BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lease ADD COLUMN total BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lease ADD COLUMN told_at BIGINT;
