CREATE TABLE IF NOT EXISTS case_days (
    taken_us BIGINT NOT NULL,
    slowest_us BIGINT NOT NULL,
    repository_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    recovered INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    PRIMARY KEY (repository_id, day, case_id)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS failures (
    run_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    attempt SMALLINT NOT NULL,
    message BYTEA NOT NULL,
    details BYTEA NOT NULL,
    PRIMARY KEY (run_id, case_id, attempt)
);
CREATE TABLE IF NOT EXISTS meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE IF NOT EXISTS repositories (
    id SERIAL NOT NULL,
    name TEXT NOT NULL,
    github_id BIGINT,
    created_us BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
);
CREATE UNIQUE INDEX IF NOT EXISTS repositories_by_github_id ON repositories (github_id);
CREATE TABLE IF NOT EXISTS results (
    setup_us BIGINT NOT NULL,
    call_us BIGINT NOT NULL,
    teardown_us BIGINT NOT NULL,
    run_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    outcome SMALLINT NOT NULL,
    verdict SMALLINT NOT NULL,
    attempts SMALLINT NOT NULL,
    failed_attempts SMALLINT NOT NULL,
    shard SMALLINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (run_id, case_id)
);
CREATE INDEX IF NOT EXISTS results_that_failed ON results (case_id, run_id) WHERE failed_attempts > 0;
CREATE TABLE IF NOT EXISTS used_tokens (
    digest BYTEA NOT NULL,
    used_for BYTEA NOT NULL,
    expires_us BIGINT NOT NULL,
    PRIMARY KEY (digest)
);
CREATE INDEX IF NOT EXISTS used_tokens_by_expiry ON used_tokens (expires_us);
CREATE TABLE IF NOT EXISTS archive (
    run_id INTEGER NOT NULL,
    repository_id INTEGER NOT NULL,
    case_count INTEGER NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (run_id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS archive_by_repository ON archive (repository_id);
CREATE TABLE IF NOT EXISTS audit_log (
    id SERIAL NOT NULL,
    repository_id INTEGER NOT NULL,
    at_us BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS audit_log_by_repository ON audit_log (repository_id, id);
CREATE TABLE IF NOT EXISTS bypasses (
    id SERIAL NOT NULL,
    repository_id INTEGER NOT NULL,
    ci_run_id TEXT NOT NULL,
    run_attempt INTEGER NOT NULL,
    pull_request INTEGER NOT NULL,
    commit_sha TEXT NOT NULL,
    branch TEXT NOT NULL,
    actor TEXT NOT NULL,
    rule TEXT NOT NULL,
    label TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    merged_as TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (repository_id, ci_run_id, run_attempt),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS bypasses_by_time ON bypasses (repository_id, at_us);
CREATE TABLE IF NOT EXISTS cases (
    id SERIAL NOT NULL,
    repository_id INTEGER NOT NULL,
    digest BYTEA NOT NULL,
    suite TEXT NOT NULL,
    file TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (repository_id, digest),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS deliveries (
    id SERIAL NOT NULL,
    repository_id INTEGER NOT NULL,
    url TEXT NOT NULL,
    event TEXT NOT NULL,
    body BYTEA NOT NULL,
    tries INTEGER NOT NULL,
    next_us BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries (next_us);
CREATE TABLE IF NOT EXISTS flaky_cases (
    case_id INTEGER NOT NULL,
    repository_id INTEGER NOT NULL,
    is_flaky BOOLEAN NOT NULL,
    probability FLOAT NOT NULL,
    rate FLOAT NOT NULL,
    rate_low FLOAT NOT NULL,
    rate_high FLOAT NOT NULL,
    broken_on_main FLOAT NOT NULL,
    main_runs INTEGER NOT NULL,
    main_failures INTEGER NOT NULL,
    PRIMARY KEY (case_id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS flaky_cases_by_repository ON flaky_cases (repository_id);
CREATE TABLE IF NOT EXISTS flaky_pages (
    repository_id INTEGER NOT NULL,
    page INTEGER NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (repository_id, page),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS flaky_rest (
    repository_id INTEGER NOT NULL,
    last_run_id INTEGER NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (repository_id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS quarantine (
    id SERIAL NOT NULL,
    repository_id INTEGER NOT NULL,
    suite TEXT NOT NULL,
    file TEXT NOT NULL,
    name TEXT NOT NULL,
    mode TEXT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    owner TEXT NOT NULL,
    issue_url TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    renewals SMALLINT NOT NULL,
    released_us BIGINT,
    released_because TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS quarantine_by_repository ON quarantine (repository_id);
CREATE TABLE IF NOT EXISTS repository_facts (
    repository_id INTEGER NOT NULL,
    default_branch TEXT DEFAULT '' NOT NULL,
    codeowners TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (repository_id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS runs (
    id SERIAL NOT NULL,
    repository_id INTEGER NOT NULL,
    ci_run_id TEXT NOT NULL,
    run_attempt INTEGER NOT NULL,
    commit_sha TEXT NOT NULL,
    branch TEXT NOT NULL,
    started_us BIGINT NOT NULL,
    recorded_us BIGINT NOT NULL,
    conclusion TEXT NOT NULL,
    is_trusted BOOLEAN NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    recovered INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    is_open BOOLEAN DEFAULT false NOT NULL,
    event TEXT DEFAULT '' NOT NULL,
    pull_request INTEGER DEFAULT '0' NOT NULL,
    actor TEXT DEFAULT '' NOT NULL,
    details BYTEA,
    PRIMARY KEY (id),
    UNIQUE (repository_id, ci_run_id, run_attempt),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS runs_by_branch ON runs (repository_id, branch, started_us);
CREATE INDEX IF NOT EXISTS runs_by_start ON runs (repository_id, started_us);
CREATE TABLE IF NOT EXISTS upload_keys (
    id SERIAL NOT NULL,
    repository_id INTEGER NOT NULL,
    digest BYTEA NOT NULL,
    label TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    used_us BIGINT,
    revoked_us BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    UNIQUE (digest)
);
CREATE INDEX IF NOT EXISTS upload_keys_by_repository ON upload_keys (repository_id);
CREATE TABLE IF NOT EXISTS uploads (
    repository_id INTEGER NOT NULL,
    ci_run_id TEXT NOT NULL,
    run_attempt INTEGER NOT NULL,
    part TEXT NOT NULL,
    digest BYTEA NOT NULL,
    received_us BIGINT NOT NULL,
    PRIMARY KEY (repository_id, ci_run_id, run_attempt, part),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS causes (
    run_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    cause SMALLINT NOT NULL,
    probability FLOAT NOT NULL,
    PRIMARY KEY (run_id, case_id),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS causes_by_case ON causes (case_id);
CREATE TABLE IF NOT EXISTS pace_changes (
    run_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    before_seconds FLOAT NOT NULL,
    after_seconds FLOAT NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (run_id, case_id),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS pace_changes_by_case ON pace_changes (case_id);
CREATE TABLE IF NOT EXISTS renames (
    id SERIAL NOT NULL,
    repository_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    suite TEXT NOT NULL,
    old_file TEXT NOT NULL,
    old_name TEXT NOT NULL,
    new_file TEXT NOT NULL,
    new_name TEXT NOT NULL,
    last_run_id INTEGER NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    FOREIGN KEY(case_id) REFERENCES cases (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS renames_by_repository ON renames (repository_id);
CREATE TABLE IF NOT EXISTS shards (
    run_id INTEGER NOT NULL,
    suite TEXT NOT NULL,
    shard_index INTEGER NOT NULL,
    shard_count INTEGER NOT NULL,
    run_attempt INTEGER NOT NULL,
    planned_seconds FLOAT NOT NULL,
    work_seconds FLOAT NOT NULL,
    wall_seconds FLOAT NOT NULL,
    phases JSON NOT NULL,
    PRIMARY KEY (run_id, suite, shard_index),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
