//! Statements about tasks, and about the schedules that queue them.

pub(crate) const POSTGRES_LOCK_QUEUED: &str =
    "SELECT id FROM task WHERE id = $1 AND state = 'queued' FOR UPDATE SKIP LOCKED";

macro_rules! columns {
    () => {
        "id, verb, subject, asked_by, request, state, host, boot_id, pid, pid_start, fence, expires_at, created_at, \
         started_at, finished_at, exit_code, error, result, step, done, total, cancel_requested"
    };
}

statements! {
    TASKS = concat!("SELECT ", columns!(), " FROM task WHERE ($1 = '' OR verb = $1) AND ($2 = '' OR subject = $2) \
        AND ($3 = '' OR state = $3 OR ($3 = 'killed' AND state = 'running')) ORDER BY id DESC LIMIT $4");
    TASK = concat!("SELECT ", columns!(), " FROM task WHERE id = $1");
    OPEN_TASKS = concat!("SELECT ", columns!(), " FROM task WHERE finished_at IS NULL ORDER BY id");
    QUEUE_TASK = "INSERT INTO task (verb, subject, asked_by, request, state, created_at) \
        VALUES ($1, $2, $3, $4, 'queued', $5) RETURNING id";
    BEGIN_TASK = "INSERT INTO task (verb, subject, asked_by, state, host, boot_id, pid, pid_start, fence, created_at, \
        started_at, expires_at) VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, 1, $8, $8, $9) RETURNING id";
    RECORD_TASK = "INSERT INTO task (verb, subject, asked_by, state, host, boot_id, pid, pid_start, fence, created_at, \
        started_at, finished_at, exit_code, error, result) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9, $10, $11, $12, $13) RETURNING id";
    CLAIM_TASK = "UPDATE task SET state = 'running', host = $2, boot_id = $3, pid = $4, pid_start = $5, fence = fence + 1, \
        started_at = $6, expires_at = $7, step = NULL, done = 0, total = 0 WHERE id = $1 AND state = 'queued' \
        AND NOT EXISTS (SELECT 1 FROM task r WHERE r.finished_at IS NULL AND r.state = 'running' AND r.verb = task.verb \
        AND r.subject = task.subject) RETURNING fence";
    TELL_TASK = "UPDATE task SET step = $3, done = $4, total = $5, expires_at = $6 \
        WHERE id = $1 AND fence = $2 AND state = 'running'";
    TASK_IS_WANTED = "SELECT cancel_requested FROM task WHERE id = $1 AND fence = $2 AND state = 'running'";
    END_TASK = "UPDATE task SET state = $3, finished_at = $4, exit_code = $5, error = $6, result = $7, expires_at = 0 \
        WHERE id = $1 AND fence = $2 AND state = 'running'";
    QUEUE_AGAIN = "UPDATE task SET state = 'queued', host = NULL, boot_id = NULL, pid = NULL, pid_start = NULL, expires_at = 0, \
        step = NULL, done = 0, total = 0 WHERE id = $1 AND fence = $2 AND state = 'running' AND cancel_requested = 0";
    CANCEL_QUEUED = "UPDATE task SET state = 'cancelled', cancel_requested = 1, finished_at = $2, exit_code = 143, error = $3 \
        WHERE id = $1 AND state = 'queued'";
    CANCEL_RUNNING = "UPDATE task SET cancel_requested = 1 WHERE id = $1 AND state = 'running'";
    TASK_LOG = "SELECT number, at, level, text FROM task_log WHERE task_id = $1 AND number > $2 ORDER BY number LIMIT $3";
    /// The newest one stays, or its number would come again.
    FORGET_TASK_LOGS = "DELETE FROM task_log WHERE task_id IN (SELECT id FROM task WHERE finished_at < $1 \
        AND id < (SELECT max(id) FROM task))";
    FORGET_TASKS = "DELETE FROM task WHERE finished_at < $1 AND id < (SELECT max(id) FROM task)";

    SCHEDULES = "SELECT s.repository, s.spec, s.next_at, s.started_at, s.finished_at, s.status, s.exit_code, s.error, \
        s.task_id, t.id FROM schedule s LEFT JOIN task t ON t.id = s.task_id AND t.finished_at IS NULL ORDER BY s.repository";
    PLAN_SCHEDULE = "INSERT INTO schedule (repository, spec, next_at) VALUES ($1, $2, $3) \
        ON CONFLICT (repository) DO UPDATE SET spec = excluded.spec, next_at = excluded.next_at WHERE schedule.spec <> excluded.spec";
    DROP_SCHEDULE = "DELETE FROM schedule WHERE repository = $1";
    TASK_OF_SCHEDULE = "SELECT task_id FROM schedule WHERE repository = $1 AND task_id IS NOT NULL";
    MOVE_SCHEDULE = "UPDATE schedule SET next_at = $3 WHERE repository = $1 AND next_at = $2 \
        AND NOT EXISTS (SELECT 1 FROM task t WHERE t.id = schedule.task_id AND t.finished_at IS NULL)";
    SAVE_TASK_OF_SCHEDULE = "UPDATE schedule SET task_id = $2 WHERE repository = $1";
    END_SCHEDULED = "UPDATE schedule SET started_at = (SELECT t.started_at FROM task t WHERE t.id = $1), finished_at = $2, \
        status = $3, exit_code = $4, error = $5 WHERE task_id = $1";
}
