//! The text of every statement, in one place, so that a test prepares each against both database engines.

/// Statements that only SQLite runs.
/// How many tables of migrations there are, and how many of anything.
pub(crate) const SQLITE_TABLES: &str = "SELECT count(CASE WHEN type = 'table' AND name = 'schema_version' THEN 1 END), \
    count(*) FROM sqlite_master";
pub(crate) const POSTGRES_TABLES: &str = "SELECT count(CASE WHEN tablename = 'schema_version' THEN 1 END), count(*) FROM pg_tables \
    WHERE schemaname = current_schema()";
pub(crate) const POSTGRES_LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(4846793216)";
pub(crate) const POSTGRES_LOCK_LEASES: &str = "LOCK TABLE lease IN SHARE ROW EXCLUSIVE MODE";
/// A process that stands still in the middle of a transaction must not keep its locks: who takes over would wait for it.
pub(crate) const POSTGRES_IDLE: &str = "SET idle_in_transaction_session_timeout = '30s'";
pub(crate) const POSTGRES_SIZE: &str = "SELECT pg_database_size(current_database())";
pub(crate) const POSTGRES_CLOCK: &str = "SELECT CAST(floor(extract(epoch FROM clock_timestamp())) AS BIGINT)";
pub(crate) const POSTGRES_LEASE_FENCE: &str = "SELECT fence FROM lease WHERE name = $1 AND fence = $2 FOR UPDATE";
pub(crate) const SQLITE_INTEGRITY: &str = "PRAGMA integrity_check(20)";
pub(crate) const SQLITE_QUICK_CHECK: &str = "PRAGMA quick_check(20)";
pub(crate) const SQLITE_FOREIGN_KEYS: &str = "PRAGMA foreign_key_check";
pub(crate) const VACUUM: &str = "VACUUM";
/// A copy of one state, in a file that is not there or empty.
pub(crate) const SQLITE_COPY: &str = "VACUUM INTO $1";
/// Tables and columns with the kind of their values.
pub(crate) const SQLITE_COLUMNS: &str = "SELECT m.name, p.name, p.type FROM sqlite_master m JOIN pragma_table_info(m.name) p \
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, p.cid";
pub(crate) const POSTGRES_COLUMNS: &str = "SELECT CAST(c.relname AS TEXT), CAST(a.attname AS TEXT), format_type(a.atttypid, NULL) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
    WHERE n.nspname = current_schema() AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
    ORDER BY c.relname, a.attnum";
pub(crate) const SQLITE_TABLE_NAMES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
pub(crate) const POSTGRES_TABLE_NAMES: &str =
    "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()";
/// Moves the log into the database and empties it; gives up soon where somebody reads from it.
pub(crate) const SQLITE_EMPTY_LOG: &str = "PRAGMA busy_timeout = 200; PRAGMA wal_checkpoint(TRUNCATE)";

/// Moves as much of the log into the database as nobody reads or writes just now.
pub(crate) const SQLITE_SHORTEN_LOG: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The table of migrations, for both engines.
pub const CREATE_SCHEMA_VERSION: &str = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";

/// That nothing refers to the blob `b`: no content, no rendered metadata, no hold. A package row alone does not count: it
/// goes with its bytes.
macro_rules! unused {
    () => {
        "NOT EXISTS (SELECT 1 FROM member m WHERE m.blob_id = b.id) \
         AND NOT EXISTS (SELECT 1 FROM rendered r WHERE r.blob_id = b.id) \
         AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.sha256 = b.sha256)"
    };
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $text;)*

        /// Every portable statement of fixed text.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

pub mod tasks;

statements! {
    SCHEMA_VERSION = "SELECT max(version) FROM schema_version";
    SCHEMA_HISTORY = "SELECT version, name, applied_at FROM schema_version ORDER BY version";
    ADD_SCHEMA_VERSION = "INSERT INTO schema_version (version, name, applied_at) VALUES ($1, $2, $3)";

    LEASE = "SELECT host, boot_id, pid, pid_start, fence, since, expires_at FROM lease WHERE name = $1";
    LEASE_FENCE = "SELECT fence FROM lease WHERE name = $1 AND fence = $2";
    SAVE_LEASE = "INSERT INTO lease (name, host, boot_id, pid, pid_start, fence, since, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (name) DO UPDATE SET host = excluded.host, boot_id = excluded.boot_id, pid = excluded.pid, \
        pid_start = excluded.pid_start, fence = excluded.fence, since = excluded.since, expires_at = excluded.expires_at, \
        step = NULL, done = 0, total = 0, told_at = NULL";
    TELL_PROGRESS = "UPDATE lease SET step = $3, done = $4, total = $5, told_at = $6 WHERE name = $1 AND fence = $2";
    PROGRESS = "SELECT step, done, total, told_at FROM lease WHERE name = $1 AND fence = $2 AND step IS NOT NULL";
    RENEW_LEASE = "UPDATE lease SET expires_at = $3 WHERE name = $1 AND fence = $2";
    DROP_LEASE = "UPDATE lease SET expires_at = 0 WHERE name = $1 AND fence = $2";
    ADD_INTENT = "INSERT INTO intent (lease_name, fence, names) VALUES ($1, $2, $3)";
    DROP_INTENTS = "DELETE FROM intent WHERE lease_name = $1 AND fence = $2";
    DROP_OLD_INTENTS = "DELETE FROM intent WHERE lease_name = $1 AND fence < $2";

    REPOSITORIES = "SELECT r.id, l.id, r.name, r.format, r.created_at FROM repository r \
        JOIN line l ON l.repository_id = r.id AND l.kind = 'main' ORDER BY r.name";
    REPOSITORY = "SELECT r.id, l.id, r.name, r.format, r.created_at FROM repository r \
        JOIN line l ON l.repository_id = r.id AND l.kind = 'main' WHERE r.name = $1";
    ADD_REPOSITORY = "INSERT INTO repository (name, format, created_at) VALUES ($1, $2, $3) RETURNING id";
    ADD_LINE = "INSERT INTO line (repository_id, kind) VALUES ($1, 'main') RETURNING id";

    CURRENT_REVISION = "SELECT line_id, number, mode, settings, fingerprint, created_at, upstream_revision, \
        upstream_timestamp, package_count, package_bytes, retired_at FROM revision WHERE line_id = $1 ORDER BY number DESC LIMIT 1";
    REVISION = "SELECT line_id, number, mode, settings, fingerprint, created_at, upstream_revision, \
        upstream_timestamp, package_count, package_bytes, retired_at FROM revision WHERE line_id = $1 AND number = $2";
    REVISIONS = "SELECT line_id, number, mode, settings, fingerprint, created_at, upstream_revision, \
        upstream_timestamp, package_count, package_bytes, retired_at FROM revision WHERE line_id = $1 \
        AND retired_at IS NULL ORDER BY number";
    LIVING_REVISION = "SELECT number FROM revision WHERE line_id = $1 AND number = $2 AND retired_at IS NULL";
    RETIRABLE = "SELECT r.number, r.created_at FROM revision r WHERE r.line_id = $1 AND r.retired_at IS NULL \
        AND r.number < (SELECT max(n.number) FROM revision n WHERE n.line_id = r.line_id) \
        AND r.number NOT IN (SELECT k.number FROM revision k WHERE k.line_id = $1 AND k.retired_at IS NULL \
        ORDER BY k.number DESC LIMIT $2) \
        AND (SELECT x.created_at FROM revision x WHERE x.line_id = r.line_id AND x.number = r.number + 1) < $3 \
        AND NOT EXISTS (SELECT 1 FROM pin p WHERE p.line_id = r.line_id AND p.revision = r.number) \
        AND NOT EXISTS (SELECT 1 FROM publication_state s WHERE s.line_id = r.line_id AND s.revision = r.number) \
        ORDER BY r.number";
    RETIRE = "UPDATE revision SET retired_at = $3 WHERE line_id = $1 AND number = $2";
    DROP_RETIRED_MEMBERS = "DELETE FROM member WHERE line_id = $1 AND removed_in < 9223372036854775807 \
        AND NOT EXISTS (SELECT 1 FROM revision r WHERE r.line_id = member.line_id AND r.retired_at IS NULL \
        AND r.number >= member.added_in AND r.number < member.removed_in)";
    PUBLISHING = "SELECT name, host, pid, since FROM lease WHERE name LIKE 'publish:%' AND expires_at > $1 ORDER BY name LIMIT 1";
    ADD_REVISION = "INSERT INTO revision (line_id, number, mode, settings, fingerprint, created_at, \
        upstream_revision, upstream_timestamp, package_count, package_bytes) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    CLOSE_MEMBER = "UPDATE member SET removed_in = $1 WHERE id = $2";

    MEMBERS = "SELECT m.id, m.path, m.record_0, m.record_1, m.record_2, m.attributes, b.sha256, b.size, \
        p.name, p.version, p.arch, p.label, p.part_key \
        FROM member m LEFT JOIN blob b ON b.id = m.blob_id LEFT JOIN package p ON p.id = m.package_id \
        WHERE m.line_id = $1 AND m.kind = $2 AND m.path > $3 AND m.added_in <= $4 AND m.removed_in > $4 \
        ORDER BY m.path LIMIT $5";
    MEMBER_FILES = "SELECT m.path, b.sha256, b.size, m.attributes FROM member m JOIN blob b ON b.id = m.blob_id \
        WHERE m.line_id = $1 AND m.kind = $2 AND m.path > $3 AND m.added_in <= $4 AND m.removed_in > $4 \
        ORDER BY m.path LIMIT $5";
    MEMBER_PATHS = "SELECT m.path FROM member m \
        WHERE m.line_id = $1 AND m.kind = $2 AND m.path > $3 AND m.added_in <= $4 AND m.removed_in > $4 \
        AND m.blob_id IS NOT NULL ORDER BY m.path LIMIT $5";
    MEMBER_RECORDS = "SELECT count(*), max(q.path), \
        string_agg(COALESCE(CAST(q.pack_id AS TEXT) || ' ' || CAST(q.slot AS TEXT), '-'), ',' ORDER BY q.path) FROM ( \
        SELECT m.path, r.pack_id, r.slot FROM member m LEFT JOIN record r \
        ON r.id = CASE CAST($6 AS BIGINT) WHEN 0 THEN m.record_0 WHEN 1 THEN m.record_1 ELSE m.record_2 END \
        WHERE m.line_id = $1 AND m.kind = $2 AND m.path > $3 AND m.added_in <= $4 AND m.removed_in > $4 \
        ORDER BY m.path LIMIT $5) q";
    MEMBER_KEYS = "SELECT id, path, package_id, blob_id, record_0, record_1, record_2, attributes \
        FROM member WHERE line_id = $1 AND kind = $2 AND path > $3 AND added_in <= $4 AND removed_in > $4 \
        ORDER BY path LIMIT $5";
    HELD_PACKAGES = "SELECT m.path, p.name, p.version, p.version_key, p.arch, p.label, p.is_source, p.build_time, \
        b.sha256, b.size, p.id, b.id, m.record_0, m.record_1, m.record_2 \
        FROM member m JOIN package p ON p.id = m.package_id JOIN blob b ON b.id = m.blob_id \
        WHERE m.line_id = $1 AND m.kind = 'package' AND m.path > $2 AND m.added_in <= $3 AND m.removed_in > $3 \
        ORDER BY m.path LIMIT $4";
    PACKAGES_OF = "SELECT p.name, p.version, p.version_key, p.arch, b.size, b.sha256, m.path, p.summary \
        FROM member m JOIN package p ON p.id = m.package_id JOIN blob b ON b.id = m.blob_id \
        WHERE m.line_id = $1 AND m.kind = 'package' AND m.path > $2 AND m.added_in <= $3 AND m.removed_in > $3 \
        ORDER BY m.path LIMIT $4";
    FIND_PACKAGE = "SELECT p.name, p.version, p.version_key, p.arch, b.size, b.sha256, min(m.path), p.summary, p.id, \
        p.format FROM package p JOIN blob b ON b.id = p.blob_id JOIN member m ON m.package_id = p.id \
        WHERE (p.name = $1 AND ($2 = '' OR p.version = $2)) OR b.sha256 = $3 \
        GROUP BY p.id, p.name, p.version, p.version_key, p.arch, b.size, b.sha256, p.summary, p.format \
        ORDER BY p.name, p.version_key, p.arch";
    PACKAGE_REPOSITORIES = "SELECT DISTINCT r.name FROM member m JOIN line l ON l.id = m.line_id \
        JOIN repository r ON r.id = l.repository_id WHERE m.package_id = $1 AND m.removed_in = 9223372036854775807 \
        ORDER BY r.name";
    PACKAGE_OLDER = "SELECT r.name FROM member m JOIN line l ON l.id = m.line_id \
        JOIN repository r ON r.id = l.repository_id WHERE m.package_id = $1 \
        GROUP BY r.name HAVING max(m.removed_in) < 9223372036854775807 ORDER BY r.name";
    PACKAGE_SNAPSHOTS = "SELECT DISTINCT r.name, s.name FROM member m JOIN pin i ON i.line_id = m.line_id \
        AND m.added_in <= i.revision AND m.removed_in > i.revision JOIN snapshot s ON s.id = i.snapshot_id \
        JOIN repository r ON r.id = s.repository_id WHERE m.package_id = $1 ORDER BY r.name, s.name";

    DIFF_ADDED = "SELECT p.name, p.version, p.version_key, p.arch, b.size, b.sha256, m.path, p.summary \
        FROM member m JOIN package p ON p.id = m.package_id JOIN blob b ON b.id = m.blob_id \
        WHERE m.line_id = $1 AND m.added_in > $2 AND m.added_in <= $3 AND m.removed_in > $3 AND m.kind = 'package'";
    DIFF_REMOVED = "SELECT p.name, p.version, p.version_key, p.arch, b.size, b.sha256, m.path, p.summary \
        FROM member m JOIN package p ON p.id = m.package_id JOIN blob b ON b.id = m.blob_id \
        WHERE m.line_id = $1 AND m.removed_in > $2 AND m.removed_in <= $3 AND m.added_in <= $2 \
        AND m.removed_in < 9223372036854775807 AND m.kind = 'package'";
    ITEMS_ADDED = "SELECT m.path, m.attributes FROM member m WHERE m.line_id = $1 AND m.kind = $4 \
        AND m.added_in > $2 AND m.added_in <= $3 AND m.removed_in > $3 \
        AND NOT EXISTS (SELECT 1 FROM member o WHERE o.line_id = m.line_id AND o.kind = m.kind AND o.path = m.path \
        AND o.added_in <= $2 AND o.removed_in > $2) ORDER BY m.path";

    SNAPSHOTS = "SELECT s.id, s.repository_id, s.name, s.description, s.created_at, p.line_id, p.revision \
        FROM snapshot s JOIN pin p ON p.snapshot_id = s.id AND p.position = 0 WHERE s.repository_id = $1 ORDER BY s.name";
    SNAPSHOT = "SELECT s.id, s.repository_id, s.name, s.description, s.created_at, p.line_id, p.revision \
        FROM snapshot s JOIN pin p ON p.snapshot_id = s.id AND p.position = 0 \
        WHERE s.repository_id = $1 AND s.name = $2";
    ADD_SNAPSHOT = "INSERT INTO snapshot (repository_id, name, description, created_at) VALUES ($1, $2, $3, $4) RETURNING id";
    ADD_PIN = "INSERT INTO pin (snapshot_id, position, line_id, revision) VALUES ($1, $2, $3, $4)";
    DELETE_PINS = "DELETE FROM pin WHERE snapshot_id = $1";
    DELETE_SNAPSHOT = "DELETE FROM snapshot WHERE id = $1";

    PUBLICATIONS = "SELECT p.path, p.repository_id, p.kind, p.snapshot_id, s.name, p.pinned, p.generation \
        FROM publication p LEFT JOIN snapshot s ON s.id = p.snapshot_id ORDER BY p.path";
    PUBLICATION = "SELECT p.path, p.repository_id, p.kind, p.snapshot_id, s.name, p.pinned, p.generation \
        FROM publication p LEFT JOIN snapshot s ON s.id = p.snapshot_id WHERE p.path = $1";
    SAVE_PUBLICATION = "INSERT INTO publication (path, repository_id, kind, snapshot_id, pinned, generation) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (path) DO UPDATE SET repository_id = excluded.repository_id, \
        kind = excluded.kind, snapshot_id = excluded.snapshot_id, pinned = excluded.pinned, generation = excluded.generation";
    DELETE_PUBLICATION = "DELETE FROM publication WHERE path = $1";
    DELETE_STATES = "DELETE FROM publication_state WHERE path = $1";
    DELETE_STRAYS = "DELETE FROM stray WHERE path = $1";
    STATES = "SELECT id, path, line_id, revision, render_key, generation, entry_sha256, status, served_from, served_until \
        FROM publication_state WHERE path = $1 ORDER BY id";
    STAGE_STATE = "INSERT INTO publication_state (path, line_id, revision, render_key, generation, entry_sha256, status, served_from) \
        VALUES ($1, $2, $3, $4, $5, $6, 'staged', $7) RETURNING id";
    RETIRE_OTHERS = "UPDATE publication_state SET status = 'retired', served_until = $3 \
        WHERE path = $1 AND id <> $2 AND served_until IS NULL";
    MAKE_LIVE = "UPDATE publication_state SET status = 'live', served_until = NULL WHERE id = $1";
    DROP_STATE = "DELETE FROM publication_state WHERE id = $1";
    STRAYS = "SELECT file, seen_at FROM stray WHERE path = $1";

    RENDERED = "SELECT r.path, b.sha256, b.size FROM rendered r JOIN blob b ON b.id = r.blob_id \
        WHERE r.render_key = $1 ORDER BY r.path";
    SAVE_RENDERED = "INSERT INTO rendered (render_key, path, blob_id) \
        SELECT $1, $2, id FROM blob WHERE sha256 = $3 ON CONFLICT (render_key, path) DO UPDATE SET blob_id = excluded.blob_id";
    CLEAR_RENDERED = "DELETE FROM rendered WHERE render_key = $1";

    FEED_STATE = "SELECT entry_url, etag, last_modified, entry_sha256, selection, complete, checked_at, changed_at, \
        upstream_timestamp FROM feed_state WHERE repository_id = $1";
    SAVE_FEED_STATE = "INSERT INTO feed_state (repository_id, entry_url, etag, last_modified, entry_sha256, selection, \
        complete, checked_at, changed_at, upstream_timestamp) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
        ON CONFLICT (repository_id) DO UPDATE SET entry_url = excluded.entry_url, etag = excluded.etag, \
        last_modified = excluded.last_modified, entry_sha256 = excluded.entry_sha256, selection = excluded.selection, \
        complete = excluded.complete, checked_at = excluded.checked_at, changed_at = excluded.changed_at, \
        upstream_timestamp = excluded.upstream_timestamp";
    CLEAR_FEED_STATE = "DELETE FROM feed_state WHERE repository_id = $1";

    BEGIN_HISTORY = "INSERT INTO history (repository_id, verb, host, boot_id, pid, pid_start, started_at, status) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'running') RETURNING id";
    FINISH_HISTORY = "UPDATE history SET finished_at = $2, status = $3, exit_code = $4, error = $5, revision = $6, \
        added = $7, removed = $8, upgraded = $9, packages = $10, bytes_fetched = $11, bytes_saved = $12 WHERE id = $1";
    HISTORY = "SELECT r.name, h.verb, h.host, h.boot_id, h.pid, h.pid_start, h.started_at, h.finished_at, h.status, \
        h.error, h.revision, h.added, h.removed, h.upgraded, h.bytes_fetched, h.exit_code, \
        (SELECT l.expires_at FROM lease l WHERE l.name = h.verb || ':' || r.name AND l.host = h.host \
        AND l.boot_id = h.boot_id AND l.pid = h.pid AND l.pid_start = h.pid_start) \
        FROM history h JOIN repository r ON r.id = h.repository_id WHERE ($1 = 0 OR h.repository_id = $1) \
        AND ($3 = 0 OR h.id IN (SELECT max(n.id) FROM history n GROUP BY n.repository_id)) \
        ORDER BY h.started_at DESC, h.id DESC LIMIT $2";

    COUNT_SNAPSHOTS = "SELECT count(*) FROM snapshot WHERE repository_id = $1";
    COUNT_PUBLICATIONS = "SELECT count(*) FROM publication WHERE repository_id = $1";
    COUNT_REVISIONS = "SELECT count(*) FROM revision v JOIN line l ON l.id = v.line_id WHERE l.repository_id = $1 AND v.retired_at IS NULL";
    COUNT_MEMBERS = "SELECT count(*) FROM member m JOIN line l ON l.id = m.line_id WHERE l.repository_id = $1";
    COUNT_RUNS = "SELECT count(*) FROM history WHERE repository_id = $1";
    COUNT_FOREIGN_PINS = "SELECT count(*) FROM pin p JOIN line l ON l.id = p.line_id JOIN snapshot s ON s.id = p.snapshot_id \
        WHERE l.repository_id = $1 AND s.repository_id <> $1";
    UNRECORDED_PATHS = "SELECT DISTINCT path FROM publication_state WHERE line_id IN (SELECT id FROM line WHERE repository_id = $1) \
        AND path NOT IN (SELECT path FROM publication) ORDER BY path";
    FORGET_STRAYS = "DELETE FROM stray WHERE path IN (SELECT path FROM publication WHERE repository_id = $1) \
        OR (path NOT IN (SELECT path FROM publication) AND path IN (SELECT path FROM publication_state \
        WHERE line_id IN (SELECT id FROM line WHERE repository_id = $1)))";
    FORGET_STATES = "DELETE FROM publication_state WHERE path IN (SELECT path FROM publication WHERE repository_id = $1) \
        OR line_id IN (SELECT id FROM line WHERE repository_id = $1)";
    FORGET_PUBLICATIONS = "DELETE FROM publication WHERE repository_id = $1";
    FORGET_PINS = "DELETE FROM pin WHERE snapshot_id IN (SELECT id FROM snapshot WHERE repository_id = $1)";
    FORGET_SNAPSHOTS = "DELETE FROM snapshot WHERE repository_id = $1";
    FORGET_MEMBERS = "DELETE FROM member WHERE line_id IN (SELECT id FROM line WHERE repository_id = $1)";
    FORGET_REVISIONS = "DELETE FROM revision WHERE line_id IN (SELECT id FROM line WHERE repository_id = $1)";
    FORGET_LINES = "DELETE FROM line WHERE repository_id = $1";
    FORGET_FEED = "DELETE FROM feed_state WHERE repository_id = $1";
    FORGET_HISTORY = "DELETE FROM history WHERE repository_id = $1";
    FORGET_TALLIES = "DELETE FROM tally WHERE repository = (SELECT name FROM repository WHERE id = $1)";
    FORGET_REPOSITORY = "DELETE FROM repository WHERE id = $1";

    STATS = "SELECT (SELECT count(*) FROM repository), (SELECT count(*) FROM snapshot), (SELECT count(*) FROM revision WHERE retired_at IS NULL), \
        (SELECT count(*) FROM member WHERE kind = 'package' AND removed_in = 9223372036854775807), \
        (SELECT CAST(coalesce(sum(b.size), 0) AS BIGINT) FROM member m JOIN blob b ON b.id = m.blob_id WHERE m.kind = 'package' \
        AND m.removed_in = 9223372036854775807), (SELECT count(*) FROM blob), (SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM blob)";
    NEWEST_AMOUNT = "SELECT count(*), CAST(coalesce(sum(r.package_count), 0) AS BIGINT), \
        CAST(coalesce(sum(r.package_bytes), 0) AS BIGINT) FROM revision r JOIN line l ON l.id = r.line_id AND l.kind = 'main' \
        WHERE r.number = (SELECT max(n.number) FROM revision n WHERE n.line_id = r.line_id)";
    PINNED_AMOUNT = "SELECT count(*), CAST(coalesce(sum(r.package_count), 0) AS BIGINT), \
        CAST(coalesce(sum(r.package_bytes), 0) AS BIGINT) FROM pin p JOIN revision r ON r.line_id = p.line_id AND r.number = p.revision";
    STORED_AMOUNT = "SELECT count(*), CAST(coalesce(sum(b.size), 0) AS BIGINT) FROM blob b WHERE EXISTS (SELECT 1 FROM member m \
        JOIN line l ON l.id = m.line_id WHERE m.blob_id = b.id AND m.kind = 'package' \
        AND (m.removed_in = 9223372036854775807 AND l.kind = 'main' OR EXISTS (SELECT 1 FROM pin p \
        WHERE p.line_id = m.line_id AND m.added_in <= p.revision AND m.removed_in > p.revision)))";
    PUBLISHED_AMOUNT = "SELECT count(*), CAST(coalesce(sum(r.package_count), 0) AS BIGINT), \
        CAST(coalesce(sum(r.package_bytes), 0) AS BIGINT) FROM publication_state s JOIN publication p ON p.path = s.path \
        JOIN revision r ON r.line_id = s.line_id AND r.number = s.revision WHERE s.status = 'live'";
    REPOSITORY_AMOUNTS = "SELECT r.name, v.package_count, v.package_bytes, coalesce(o.blobs, 0), coalesce(o.bytes, 0) \
        FROM repository r JOIN line l ON l.repository_id = r.id AND l.kind = 'main' JOIN revision v ON v.line_id = l.id \
        AND v.number = (SELECT max(n.number) FROM revision n WHERE n.line_id = l.id) LEFT JOIN \
        (SELECT x.line_id AS line_id, count(*) AS blobs, CAST(sum(x.size) AS BIGINT) AS bytes FROM \
        (SELECT min(m.line_id) AS line_id, b.size AS size FROM member m JOIN line k ON k.id = m.line_id AND k.kind = 'main' \
        JOIN blob b ON b.id = m.blob_id WHERE m.kind = 'package' AND m.removed_in = 9223372036854775807 \
        GROUP BY b.id, b.size HAVING count(DISTINCT m.line_id) = 1) x GROUP BY x.line_id) o ON o.line_id = l.id ORDER BY r.name";
    TABLE_ROWS = "SELECT 'repository', count(*) FROM repository UNION ALL SELECT 'line', count(*) FROM line \
        UNION ALL SELECT 'revision', count(*) FROM revision UNION ALL SELECT 'member', count(*) FROM member \
        UNION ALL SELECT 'package', count(*) FROM package UNION ALL SELECT 'record', count(*) FROM record \
        UNION ALL SELECT 'pack', count(*) FROM pack UNION ALL SELECT 'blob', count(*) FROM blob \
        UNION ALL SELECT 'blob_digest', count(*) FROM blob_digest UNION ALL SELECT 'snapshot', count(*) FROM snapshot \
        UNION ALL SELECT 'pin', count(*) FROM pin UNION ALL SELECT 'publication', count(*) FROM publication \
        UNION ALL SELECT 'publication_state', count(*) FROM publication_state UNION ALL SELECT 'stray', count(*) FROM stray \
        UNION ALL SELECT 'rendered', count(*) FROM rendered UNION ALL SELECT 'feed_state', count(*) FROM feed_state \
        UNION ALL SELECT 'lease', count(*) FROM lease UNION ALL SELECT 'intent', count(*) FROM intent \
        UNION ALL SELECT 'history', count(*) FROM history UNION ALL SELECT 'hold', count(*) FROM hold UNION ALL SELECT 'schedule', count(*) FROM schedule \
        UNION ALL SELECT 'tally', count(*) FROM tally \
        UNION ALL SELECT 'task', count(*) FROM task UNION ALL SELECT 'task_log', count(*) FROM task_log";
    PACK_AMOUNTS = "SELECT part, CAST(sum(count) AS BIGINT), CAST(sum(length(body)) AS BIGINT) FROM pack GROUP BY part ORDER BY part";
    UNUSED_BLOBS = concat!("SELECT b.sha256 FROM blob b WHERE ", unused!());
    UNUSED_BLOBS_AMOUNT =
        concat!("SELECT count(*), CAST(coalesce(sum(b.size), 0) AS BIGINT) FROM blob b WHERE ", unused!());
    UNUSED_BLOB = concat!("SELECT b.id FROM blob b WHERE b.sha256 = $1 AND ", unused!());
    BLOB_USED_AGAIN = concat!("UPDATE blob AS b SET unused_since = NULL WHERE b.unused_since IS NOT NULL AND NOT (", unused!(), ")");
    BLOB_UNUSED = concat!("UPDATE blob AS b SET unused_since = $1 WHERE b.unused_since IS NULL AND ", unused!());
    CONDEMNED = concat!("SELECT b.sha256, b.size FROM blob b WHERE b.unused_since <= $1 AND b.sha256 > $2 AND ", unused!(),
        " ORDER BY b.sha256 LIMIT $3");
    WAITING = "SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT), min(unused_since) FROM blob WHERE unused_since > $1";
    DROP_BLOB_PACKAGES = "DELETE FROM package WHERE blob_id = $1";
    DROP_BLOB_DIGESTS = "DELETE FROM blob_digest WHERE blob_id = $1";
    DROP_BLOB = "DELETE FROM blob WHERE id = $1";
    BLOB_SINCE = "SELECT unused_since FROM blob WHERE sha256 = $1";
    UNREACHABLE_RENDERS = "SELECT count(DISTINCT render_key) FROM rendered \
        WHERE render_key NOT IN (SELECT render_key FROM publication_state)";
    DROP_UNREACHABLE_RENDERS = "DELETE FROM rendered WHERE render_key NOT IN (SELECT render_key FROM publication_state)";
    HOLDS = "SELECT h.sha256, h.reason, h.created_at, b.size FROM hold h LEFT JOIN blob b ON b.sha256 = h.sha256 ORDER BY h.sha256";
    HOLD = "SELECT reason, created_at FROM hold WHERE sha256 = $1";
    ADD_HOLD = "INSERT INTO hold (sha256, reason, created_at) VALUES ($1, $2, $3) \
        ON CONFLICT (sha256) DO UPDATE SET reason = excluded.reason, created_at = excluded.created_at";
    DROP_HOLD = "DELETE FROM hold WHERE sha256 = $1";
    HELD_FOR = "SELECT since FROM lease WHERE name = $1 AND step = $2 AND expires_at > 0";
    BLOBS_NAMED = "SELECT DISTINCT b.sha256 FROM package p JOIN blob b ON b.id = p.blob_id \
        WHERE p.name = $1 AND ($2 = '' OR p.version = $2) ORDER BY b.sha256";
    LAST_TALLY = "SELECT exit_code FROM tally WHERE verb = $1 AND repository = $2 AND exit_code <> 7 \
        ORDER BY number DESC LIMIT 1";
    COUNT_RUN = "INSERT INTO tally (verb, repository, exit_code, runs, duration_ms, bytes_fetched, bytes_saved, last_at, number) \
        VALUES ($1, $2, $3, 1, $4, $5, $6, $7, \
        (SELECT CAST(coalesce(sum(t.runs), 0) AS BIGINT) + 1 FROM tally t WHERE t.verb = $1 AND t.repository = $2)) \
        ON CONFLICT (verb, repository, exit_code) DO UPDATE SET runs = tally.runs + 1, \
        duration_ms = tally.duration_ms + excluded.duration_ms, bytes_fetched = tally.bytes_fetched + excluded.bytes_fetched, \
        bytes_saved = tally.bytes_saved + excluded.bytes_saved, last_at = excluded.last_at, number = excluded.number";
    TALLIES = "SELECT verb, repository, exit_code, runs, duration_ms, bytes_fetched, bytes_saved, last_at, number \
        FROM tally ORDER BY repository, verb, exit_code";
    REPOSITORY_GAUGES = "SELECT r.name, r.format, v.number, v.package_count, v.package_bytes, \
        (SELECT count(*) FROM revision x WHERE x.line_id = l.id AND x.retired_at IS NULL), \
        (SELECT count(*) FROM snapshot s WHERE s.repository_id = r.id), \
        (SELECT count(*) FROM publication p WHERE p.repository_id = r.id), f.checked_at, f.changed_at, f.upstream_timestamp \
        FROM repository r JOIN line l ON l.repository_id = r.id AND l.kind = 'main' LEFT JOIN revision v ON v.line_id = l.id \
        AND v.number = (SELECT max(n.number) FROM revision n WHERE n.line_id = l.id) \
        LEFT JOIN feed_state f ON f.repository_id = r.id ORDER BY r.name";
    BLOB_GAUGES = "SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT), count(unused_since), \
        CAST(coalesce(sum(CASE WHEN unused_since IS NOT NULL THEN size END), 0) AS BIGINT) FROM blob";
    SETTLE_LEASES = "UPDATE lease SET expires_at = 0, step = NULL, done = 0, total = 0, told_at = NULL";
    SETTLE_HISTORY = "UPDATE history SET status = 'killed' WHERE status = 'running'";
    SETTLE_TASKS = "UPDATE task SET state = 'killed', finished_at = coalesce(started_at, created_at), exit_code = 137, expires_at = 0, \
        error = 'its process is gone' WHERE finished_at IS NULL";
    LEASES = "SELECT name, host, boot_id, pid, pid_start, fence, since, expires_at FROM lease WHERE expires_at > 0 ORDER BY name";
    INTENT_HOLDERS = "SELECT i.lease_name, i.fence, count(*), l.host, l.boot_id, l.pid, l.pid_start, l.expires_at FROM intent i \
        JOIN lease l ON l.name = i.lease_name AND l.fence = i.fence \
        GROUP BY i.lease_name, i.fence, l.host, l.boot_id, l.pid, l.pid_start, l.expires_at";
    INTENTS = "SELECT names FROM intent WHERE lease_name = $1 AND fence = $2";
    DROP_DEAD_INTENTS = "DELETE FROM intent WHERE NOT EXISTS (SELECT 1 FROM lease l \
        WHERE l.name = intent.lease_name AND l.fence = intent.fence AND l.expires_at > 0)";
    DROP_UNUSED_PACKAGES = "DELETE FROM package WHERE NOT EXISTS (SELECT 1 FROM member m WHERE m.package_id = package.id)";
    DROP_UNUSED_RECORDS = "DELETE FROM record WHERE id NOT IN (SELECT record_0 FROM member WHERE record_0 IS NOT NULL \
        UNION SELECT record_1 FROM member WHERE record_1 IS NOT NULL UNION SELECT record_2 FROM member WHERE record_2 IS NOT NULL)";
    SPARSE_PACKS = "SELECT p.id, p.part, p.count, coalesce(r.living, 0) FROM pack p LEFT JOIN \
        (SELECT pack_id, count(*) AS living FROM record GROUP BY pack_id) r ON r.pack_id = p.id \
        WHERE coalesce(r.living, 0) * 2 < p.count ORDER BY p.part, p.id";
    PACK_RECORDS = "SELECT id, slot FROM record WHERE pack_id = $1 ORDER BY slot";
    MOVE_RECORD = "UPDATE record SET pack_id = $2, slot = $3 WHERE id = $1";
    DROP_PACK = "DELETE FROM pack WHERE id = $1";
    KEEPERS = "SELECT m.path, m.kind, m.line_id, m.added_in, m.removed_in, r.name, \
        (SELECT count(*) FROM revision v WHERE v.line_id = m.line_id AND v.number >= m.added_in AND v.number < m.removed_in \
        AND v.retired_at IS NULL), (SELECT min(v.number) FROM revision v WHERE v.line_id = m.line_id AND v.number >= m.added_in \
        AND v.number < m.removed_in AND v.retired_at IS NULL) FROM member m JOIN blob b ON b.id = m.blob_id \
        JOIN line l ON l.id = m.line_id JOIN repository r ON r.id = l.repository_id WHERE b.sha256 = $1 \
        ORDER BY r.name, m.path, m.added_in";
    KEEPING_SNAPSHOTS = "SELECT s.name FROM pin p JOIN snapshot s ON s.id = p.snapshot_id WHERE p.line_id = $1 \
        AND p.revision >= $2 AND p.revision < $3 ORDER BY s.name";
    KEEPING_STATES = "SELECT path, status, served_until FROM publication_state WHERE line_id = $1 AND revision >= $2 \
        AND revision < $3 ORDER BY path, id";
    KEEPING_RENDERS = "SELECT DISTINCT r.path, s.path, s.status FROM rendered r JOIN blob b ON b.id = r.blob_id \
        LEFT JOIN publication_state s ON s.render_key = r.render_key WHERE b.sha256 = $1 ORDER BY r.path";
    ALL_REVISIONS = "SELECT line_id, number, mode, settings, fingerprint, created_at, upstream_revision, \
        upstream_timestamp, package_count, package_bytes, retired_at FROM revision WHERE line_id = $1 ORDER BY number";
    LINE_MEMBERS = "SELECT id, kind, path, package_id, blob_id, record_0, record_1, record_2, attributes, added_in, removed_in \
        FROM member WHERE line_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    PACK = "SELECT part, body, count FROM pack WHERE id = $1";
    ONE_OTHER_DIGEST = "SELECT CAST(1 AS BIGINT) FROM blob_digest LIMIT 1";
    LINES_BETWEEN = "SELECT count(*) FROM line WHERE id BETWEEN $1 AND $2";
    PACKAGES_BETWEEN = "SELECT count(*) FROM package WHERE id BETWEEN $1 AND $2";
    BLOBS_BETWEEN = "SELECT count(*) FROM blob WHERE id BETWEEN $1 AND $2";
    RECORDS_BETWEEN = "SELECT count(*) FROM record WHERE id BETWEEN $1 AND $2";
    ONE_RECORD = "SELECT CAST(1 AS BIGINT) FROM record LIMIT 1";
    OTHER_DIGESTS = "SELECT d.algorithm, d.digest, b.sha256 FROM blob_digest d JOIN blob b ON b.id = d.blob_id \
        WHERE d.algorithm > $1 OR (d.algorithm = $1 AND d.digest > $2) ORDER BY d.algorithm, d.digest LIMIT $3";
    COUNT_REPOSITORIES = "SELECT count(*) FROM repository";
    RESTORE_DIGEST = "INSERT INTO blob_digest (algorithm, digest, blob_id) SELECT $1, $2, id FROM blob WHERE sha256 = $3 \
        ON CONFLICT (algorithm, digest) DO NOTHING";
    RESTORE_CLOSED = "UPDATE member SET removed_in = $5 WHERE line_id = $1 AND kind = $2 AND path = $3 AND added_in = $4";
    RESTORE_STATE = "INSERT INTO publication_state (path, line_id, revision, render_key, generation, entry_sha256, status, \
        served_from, served_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    DROP_UNUSED_DIGESTS = concat!("DELETE FROM blob_digest WHERE blob_id IN (SELECT b.id FROM blob b WHERE ", unused!(), ")");
    DROP_UNUSED_BLOBS = concat!("DELETE FROM blob WHERE id IN (SELECT b.id FROM blob b WHERE ", unused!(), ")");
    DROP_EMPTY_PACKS = "DELETE FROM pack WHERE id NOT IN (SELECT pack_id FROM record)";
    RENDERS_OF = "SELECT DISTINCT r.render_key FROM rendered r JOIN blob b ON b.id = r.blob_id WHERE b.sha256 = $1 ORDER BY r.render_key";
    UNUSED_PACKAGES = "SELECT count(*) FROM package p WHERE NOT EXISTS (SELECT 1 FROM member m WHERE m.package_id = p.id)";
    UNUSED_RECORDS = "SELECT count(*) FROM record r WHERE r.id NOT IN (SELECT record_0 FROM member WHERE record_0 IS NOT NULL \
        UNION SELECT record_1 FROM member WHERE record_1 IS NOT NULL UNION SELECT record_2 FROM member WHERE record_2 IS NOT NULL)";
    UNUSED_INTENTS = "SELECT count(*) FROM intent i WHERE NOT EXISTS (SELECT 1 FROM lease l \
        WHERE l.name = i.lease_name AND l.fence = i.fence AND l.expires_at > 0)";
    NEWEST_TIME = "SELECT max(x.at) FROM (SELECT max(created_at) AS at FROM revision UNION ALL SELECT max(created_at) FROM snapshot \
        UNION ALL SELECT max(started_at) FROM history UNION ALL SELECT max(finished_at) FROM history \
        UNION ALL SELECT max(served_from) FROM publication_state UNION ALL SELECT max(applied_at) FROM schema_version) x";
    LEASE_NAMES = "SELECT name FROM lease WHERE expires_at > 0 ORDER BY name";
    WRONG_COUNTS = "SELECT count(*) FROM revision r WHERE r.number = (SELECT max(n.number) FROM revision n WHERE n.line_id = r.line_id) \
        AND r.package_count <> (SELECT count(*) FROM member m WHERE m.line_id = r.line_id AND m.kind = 'package' \
        AND m.removed_in = 9223372036854775807)";
    RETIRED_IN_USE = "SELECT count(*) FROM revision r WHERE r.retired_at IS NOT NULL AND (EXISTS (SELECT 1 FROM pin p \
        WHERE p.line_id = r.line_id AND p.revision = r.number) OR EXISTS (SELECT 1 FROM publication_state s \
        WHERE s.line_id = r.line_id AND s.revision = r.number AND s.status = 'live'))";
    SOURCE_FILES = "SELECT count(*), CAST(coalesce(sum(b.size), 0) AS BIGINT) FROM member m JOIN blob b ON b.id = m.blob_id \
        WHERE m.line_id = $1 AND m.kind = 'file' AND m.removed_in = 9223372036854775807";
    ALL_BLOBS = "SELECT sha256, size FROM blob";
    BLOBS_AMOUNT = "SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT) FROM blob";
    DANGLING_MEMBERS = "SELECT count(*) FROM member m WHERE (m.kind = 'package' AND (m.package_id IS NULL OR m.blob_id IS NULL)) \
        OR m.removed_in <= m.added_in";
    RECORD_PACKS = "SELECT id, body, count FROM pack WHERE id > $1 ORDER BY id LIMIT 50";
    RECORD_SLOTS = "SELECT count(*) FROM record r JOIN pack p ON p.id = r.pack_id WHERE r.slot < 0 OR r.slot >= p.count";
}

/// The head and tail of statements over many rows or values; see [`values`] and [`list`].
pub(crate) mod many {
    pub(crate) const ADD_BLOBS: (&str, usize, &str) = (
        "INSERT INTO blob (sha256, size) VALUES ",
        2,
        " ON CONFLICT (sha256) DO NOTHING RETURNING sha256, id",
    );
    pub(crate) const WANTED_BLOBS: (&str, &str) = (
        "UPDATE blob SET unused_since = NULL WHERE unused_since IS NOT NULL AND sha256 IN (",
        ")",
    );
    pub(crate) const ADD_DIGESTS: (&str, usize, &str) = (
        "INSERT INTO blob_digest (algorithm, digest, blob_id) VALUES ",
        3,
        " ON CONFLICT (algorithm, digest) DO NOTHING",
    );
    pub(crate) const ADD_PACKAGES: (&str, usize, &str) = (
        "INSERT INTO package (format, blob_id, description, name, version, version_key, arch, label, part_key, is_source, \
         build_time, summary) VALUES ",
        12,
        " ON CONFLICT (blob_id, description, format) DO NOTHING RETURNING id, blob_id, description, format",
    );
    pub(crate) const ADD_PACKS: (&str, usize, &str) =
        ("INSERT INTO pack (part, body, count) VALUES ", 3, " RETURNING id");
    pub(crate) const ADD_RECORDS: (&str, usize, &str) = (
        "INSERT INTO record (digest, pack_id, slot) VALUES ",
        3,
        " ON CONFLICT (digest) DO NOTHING RETURNING digest, id",
    );
    pub(crate) const ADD_MEMBERS: (&str, usize, &str) = (
        "INSERT INTO member (line_id, kind, path, package_id, blob_id, record_0, record_1, record_2, attributes, added_in, \
         removed_in) VALUES ",
        11,
        "",
    );
    pub(crate) const ADD_STRAYS: (&str, usize, &str) = (
        "INSERT INTO stray (path, file, seen_at) VALUES ",
        3,
        " ON CONFLICT (path, file) DO NOTHING",
    );

    pub(crate) const ADD_TASK_LOG: (&str, usize, &str) =
        ("INSERT INTO task_log (task_id, number, at, level, text) VALUES ", 5, "");

    pub(crate) const BLOBS: (&str, &str) = ("SELECT sha256, id, size FROM blob WHERE sha256 IN (", ")");
    pub(crate) const BLOBS_BY_DIGEST: (&str, &str) = (
        "SELECT d.algorithm, d.digest, b.sha256, b.size FROM blob_digest d JOIN blob b ON b.id = d.blob_id WHERE d.digest IN (",
        ")",
    );
    pub(crate) const PACKAGE_IDS: (&str, &str) = (
        "SELECT id, blob_id, description, format FROM package WHERE blob_id IN (",
        ")",
    );
    pub(crate) const RECORD_IDS: (&str, &str) = ("SELECT digest, id FROM record WHERE digest IN (", ")");
    pub(crate) const RECORD_PLACES: (&str, &str) = ("SELECT id, pack_id, slot FROM record WHERE id IN (", ")");
    pub(crate) const RECORD_DIGESTS: (&str, &str) = ("SELECT id, digest FROM record WHERE id IN (", ")");
    pub(crate) const PACKAGE_FACTS: (&str, &str) = (
        "SELECT id, format, description, name, version, version_key, arch, label, part_key, is_source, build_time, summary \
         FROM package WHERE id IN (",
        ")",
    );
    pub(crate) const BLOB_FACTS: (&str, &str) = ("SELECT id, sha256, size FROM blob WHERE id IN (", ")");
    pub(crate) const RECORD_FACTS: (&str, &str) = ("SELECT id, digest, pack_id FROM record WHERE id IN (", ")");
    pub(crate) const RECORD_PACKS: (&str, &str) = (
        "SELECT pack_id, count(*) FROM record WHERE id IN (",
        ") GROUP BY pack_id",
    );
    pub(crate) const MEMBER_NAMES: (&str, &str) = ("SELECT kind, path, added_in FROM member WHERE id IN (", ")");
    pub(crate) const PACKS: (&str, &str) = ("SELECT id, body FROM pack WHERE id IN (", ")");

    pub(crate) const INSERTS: [(&str, usize, &str); 8] = [
        ADD_BLOBS,
        ADD_DIGESTS,
        ADD_PACKAGES,
        ADD_PACKS,
        ADD_RECORDS,
        ADD_MEMBERS,
        ADD_STRAYS,
        ADD_TASK_LOG,
    ];
    pub(crate) const LISTS: [(&str, &str); 12] = [
        PACKAGE_FACTS,
        BLOB_FACTS,
        RECORD_FACTS,
        RECORD_PACKS,
        MEMBER_NAMES,
        BLOBS,
        BLOBS_BY_DIGEST,
        PACKAGE_IDS,
        RECORD_IDS,
        RECORD_PLACES,
        RECORD_DIGESTS,
        PACKS,
    ];
}

/// How values are marked in a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// `?`. SQLite takes `$1` for a name and looks each one up among all before it, so that the time of a statement
    /// grows with the square of its values.
    Anonymous,
    /// `$1`, which PostgreSQL needs.
    Numbered,
}

impl Marks {
    fn write(self, text: &mut String, number: usize) {
        match self {
            Self::Anonymous => text.push('?'),
            Self::Numbered => {
                text.push('$');
                text.push_str(&number.to_string());
            }
        }
    }
}

/// The text of an insertion of `rows` rows.
pub(crate) fn values(parts: (&str, usize, &str), rows: usize) -> String {
    marked_values(parts, rows, Marks::Anonymous)
}

fn marked_values((head, columns, tail): (&str, usize, &str), rows: usize, marks: Marks) -> String {
    let mut text = String::from(head);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            if column > 0 {
                text.push_str(", ");
            }
            marks.write(&mut text, row * columns + column + 1);
        }
        text.push(')');
    }
    text + tail
}

/// The text of a query for `count` values.
pub(crate) fn list(parts: (&str, &str), count: usize) -> String {
    marked_list(parts, count, Marks::Anonymous)
}

fn marked_list((head, tail): (&str, &str), count: usize, marks: Marks) -> String {
    let mut text = String::from(head);
    for number in 1..=count {
        if number > 1 {
            text.push_str(", ");
        }
        marks.write(&mut text, number);
    }
    text + tail
}

/// The text of a query for the next rows of a table by its key; `columns` and `key` are names.
pub(crate) fn page(table: &str, columns: &[&str], key: &[&str], is_first: bool) -> String {
    let marks: Vec<String> = (1..=key.len()).map(|number| format!("${number}")).collect();
    let (columns, key) = (columns.join(", "), key.join(", "));
    let (after, limit) = if is_first {
        (String::new(), 1)
    } else {
        (format!(" WHERE ({key}) > ({})", marks.join(", ")), marks.len() + 1)
    };
    format!("SELECT {columns} FROM {table}{after} ORDER BY {key} LIMIT ${limit}")
}

/// The head of an insertion into a table.
pub(crate) fn insertion(table: &str, columns: &[&str]) -> String {
    format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "))
}

/// The text that takes a table away.
pub(crate) fn drop_table(table: &str) -> String {
    format!("DROP TABLE {table}")
}

/// The text that counts the rows of a table.
pub(crate) fn count(table: &str) -> String {
    format!("SELECT count(*) FROM {table}")
}

/// The text that lets PostgreSQL number the rows of a table on from the highest.
pub(crate) fn number_on(table: &str) -> String {
    format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
}

/// Statements over many rows, each with two.
pub fn many_row_statements() -> Vec<String> {
    many::INSERTS
        .into_iter()
        .map(|insert| marked_values(insert, 2, Marks::Numbered))
        .chain(
            many::LISTS
                .into_iter()
                .map(|query| marked_list(query, 2, Marks::Numbered)),
        )
        .collect()
}
