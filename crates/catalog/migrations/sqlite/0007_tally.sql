-- How often each verb ended how, and when last. Repositories are named as in the configuration; what concerns none has an
-- empty name. `number` is the number of the last run that ended so among all runs of the verb on the repository.
CREATE TABLE tally (
    verb TEXT NOT NULL,
    repository TEXT NOT NULL,
    exit_code BIGINT NOT NULL,
    runs BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    bytes_fetched BIGINT NOT NULL,
    bytes_saved BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (verb, repository, exit_code)
);
