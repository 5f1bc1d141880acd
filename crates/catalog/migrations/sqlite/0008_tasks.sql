-- Every verb that changes something: while it waits, while it runs, and for some time after its end.
CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    verb TEXT NOT NULL,
    subject TEXT,
    asked_by TEXT NOT NULL,
    request TEXT,
    state TEXT NOT NULL,
    host TEXT,
    boot_id TEXT,
    pid BIGINT,
    pid_start BIGINT,
    fence BIGINT NOT NULL DEFAULT 0,
    expires_at BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    exit_code BIGINT,
    error TEXT,
    result TEXT,
    step TEXT,
    done BIGINT NOT NULL DEFAULT 0,
    total BIGINT NOT NULL DEFAULT 0,
    cancel_requested BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX task_open ON task (id) WHERE finished_at IS NULL;

-- What was said meanwhile, by number.
CREATE TABLE task_log (
    task_id BIGINT NOT NULL REFERENCES task (id),
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (task_id, number)
);

-- The task of a schedule's newest run, which says what `is_running` said; what was at work when this came is due again.
ALTER TABLE schedule ADD COLUMN task_id BIGINT;
UPDATE schedule SET next_at = 0, is_running = 0 WHERE is_running = 1;
