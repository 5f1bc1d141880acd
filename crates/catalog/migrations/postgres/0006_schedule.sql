-- What the scheduler does by itself: when next, and how it went. Repositories are named as in the configuration, for one
-- that was never synced has no row elsewhere.
CREATE TABLE schedule (
    repository TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    spec TEXT COLLATE "C" NOT NULL,
    next_at BIGINT NOT NULL,
    is_running BIGINT NOT NULL DEFAULT 0,
    started_at BIGINT,
    finished_at BIGINT,
    status TEXT COLLATE "C",
    exit_code BIGINT,
    error TEXT COLLATE "C"
);
