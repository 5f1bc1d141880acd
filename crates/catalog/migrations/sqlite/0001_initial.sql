CREATE TABLE repository (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    format TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- A line is a sequence of revisions. A repository has one main line; merges make further ones.
CREATE TABLE line (
    id INTEGER PRIMARY KEY,
    repository_id BIGINT NOT NULL REFERENCES repository (id),
    kind TEXT NOT NULL,
    parents TEXT
);
CREATE INDEX line_repository ON line (repository_id);

CREATE TABLE revision (
    line_id BIGINT NOT NULL REFERENCES line (id),
    number BIGINT NOT NULL,
    mode TEXT NOT NULL,
    settings TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    upstream_revision TEXT,
    upstream_timestamp BIGINT,
    package_count BIGINT NOT NULL,
    package_bytes BIGINT NOT NULL,
    PRIMARY KEY (line_id, number)
);

CREATE TABLE blob (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    size BIGINT NOT NULL
);

CREATE TABLE blob_digest (
    algorithm TEXT NOT NULL,
    digest BLOB NOT NULL,
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    PRIMARY KEY (algorithm, digest)
);

CREATE TABLE package (
    id INTEGER PRIMARY KEY,
    format TEXT NOT NULL,
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    description BLOB NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    version_key BLOB NOT NULL,
    arch TEXT NOT NULL,
    label TEXT NOT NULL,
    part_key TEXT,
    is_source BIGINT NOT NULL,
    build_time BIGINT,
    summary TEXT NOT NULL,
    UNIQUE (blob_id, description, format)
);
CREATE INDEX package_name ON package (name);

-- About 128 records of one part in one zstd frame.
CREATE TABLE pack (
    id INTEGER PRIMARY KEY,
    part BIGINT NOT NULL,
    body BLOB NOT NULL,
    count BIGINT NOT NULL
);

CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    pack_id BIGINT NOT NULL REFERENCES pack (id),
    slot BIGINT NOT NULL
);

-- The content of revision r is added_in <= r < removed_in.
CREATE TABLE member (
    id INTEGER PRIMARY KEY,
    line_id BIGINT NOT NULL REFERENCES line (id),
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    package_id BIGINT REFERENCES package (id),
    blob_id BIGINT REFERENCES blob (id),
    record_0 BIGINT REFERENCES record (id),
    record_1 BIGINT REFERENCES record (id),
    record_2 BIGINT REFERENCES record (id),
    attributes TEXT,
    added_in BIGINT NOT NULL,
    removed_in BIGINT NOT NULL
);
CREATE UNIQUE INDEX member_path ON member (line_id, kind, path, added_in);
CREATE INDEX member_added ON member (line_id, added_in, removed_in);
CREATE INDEX member_removed ON member (line_id, removed_in, added_in) WHERE removed_in < 9223372036854775807;
CREATE INDEX member_package ON member (package_id);
CREATE INDEX member_blob ON member (blob_id);

CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY,
    repository_id BIGINT NOT NULL REFERENCES repository (id),
    name TEXT NOT NULL,
    description TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (repository_id, name)
);

-- A repository's snapshot pins one revision, a view's one per member, in order.
CREATE TABLE pin (
    snapshot_id BIGINT NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    line_id BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (snapshot_id, position),
    FOREIGN KEY (line_id, revision) REFERENCES revision (line_id, number)
);

CREATE TABLE publication (
    path TEXT NOT NULL PRIMARY KEY,
    repository_id BIGINT NOT NULL REFERENCES repository (id),
    kind TEXT NOT NULL,
    snapshot_id BIGINT REFERENCES snapshot (id),
    pinned BIGINT NOT NULL,
    generation BIGINT NOT NULL
);

CREATE TABLE publication_state (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    line_id BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    render_key TEXT NOT NULL,
    generation BIGINT NOT NULL,
    entry_sha256 BLOB,
    status TEXT NOT NULL,
    served_from BIGINT NOT NULL,
    served_until BIGINT
);
CREATE INDEX publication_state_path ON publication_state (path);

-- Files in a published tree that no recorded state ever named, and since when they are known.
CREATE TABLE stray (
    path TEXT NOT NULL,
    file TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (path, file)
);

CREATE TABLE rendered (
    render_key TEXT NOT NULL,
    path TEXT NOT NULL,
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    PRIMARY KEY (render_key, path)
);
CREATE INDEX rendered_blob ON rendered (blob_id);

CREATE TABLE feed_state (
    repository_id BIGINT NOT NULL PRIMARY KEY REFERENCES repository (id),
    entry_url TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT,
    entry_sha256 BLOB NOT NULL,
    selection TEXT NOT NULL,
    complete BIGINT NOT NULL,
    checked_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    upstream_timestamp BIGINT
);

CREATE TABLE lease (
    name TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    pid BIGINT NOT NULL,
    pid_start BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    since BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE intent (
    lease_name TEXT NOT NULL,
    fence BIGINT NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (lease_name, fence, sha256)
);

CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    repository_id BIGINT NOT NULL REFERENCES repository (id),
    verb TEXT NOT NULL,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    pid BIGINT NOT NULL,
    pid_start BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    status TEXT NOT NULL,
    exit_code BIGINT,
    error TEXT,
    revision BIGINT,
    added BIGINT NOT NULL DEFAULT 0,
    removed BIGINT NOT NULL DEFAULT 0,
    upgraded BIGINT NOT NULL DEFAULT 0,
    packages BIGINT NOT NULL DEFAULT 0,
    bytes_fetched BIGINT NOT NULL DEFAULT 0,
    bytes_saved BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX history_repository ON history (repository_id, started_at);
