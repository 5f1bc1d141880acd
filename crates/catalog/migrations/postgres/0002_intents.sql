-- What a running sync relies on, many names of 32 bytes to a row.
DROP TABLE intent;
CREATE TABLE intent (
    lease_name TEXT COLLATE "C" NOT NULL,
    fence BIGINT NOT NULL,
    names BYTEA NOT NULL
);
CREATE INDEX intent_lease ON intent (lease_name, fence);
