CREATE TABLE meta (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE repositories (
	id SERIAL NOT NULL, 
	name TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE bypasses (
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
CREATE INDEX bypasses_by_time ON bypasses (repository_id, at_us);
CREATE TABLE cases (
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
CREATE TABLE flaky_pages (
	repository_id INTEGER NOT NULL, 
	page INTEGER NOT NULL, 
	data BYTEA NOT NULL, 
	PRIMARY KEY (repository_id, page), 
	FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE flaky_rest (
	repository_id INTEGER NOT NULL, 
	last_run_id INTEGER NOT NULL, 
	data BYTEA NOT NULL, 
	PRIMARY KEY (repository_id), 
	FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE quarantine (
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
CREATE INDEX quarantine_by_repository ON quarantine (repository_id);
CREATE TABLE runs (
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
	PRIMARY KEY (id), 
	UNIQUE (repository_id, ci_run_id, run_attempt), 
	FOREIGN KEY(repository_id) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX runs_by_start ON runs (repository_id, started_us);
CREATE TABLE renames (
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
CREATE INDEX renames_by_repository ON renames (repository_id);
CREATE TABLE results (
	run_id INTEGER NOT NULL, 
	case_id INTEGER NOT NULL, 
	outcome SMALLINT NOT NULL, 
	verdict SMALLINT NOT NULL, 
	attempts SMALLINT NOT NULL, 
	failed_attempts SMALLINT NOT NULL, 
	setup_us BIGINT NOT NULL, 
	call_us BIGINT NOT NULL, 
	teardown_us BIGINT NOT NULL, 
	shard SMALLINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (run_id, case_id), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE, 
	FOREIGN KEY(case_id) REFERENCES cases (id) ON DELETE CASCADE
);
CREATE INDEX results_by_case ON results (case_id, run_id);
CREATE TABLE shards (
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
CREATE TABLE failures (
	run_id INTEGER NOT NULL, 
	case_id INTEGER NOT NULL, 
	attempt SMALLINT NOT NULL, 
	message BYTEA NOT NULL, 
	details BYTEA NOT NULL, 
	PRIMARY KEY (run_id, case_id, attempt), 
	FOREIGN KEY(run_id, case_id) REFERENCES results (run_id, case_id) ON DELETE CASCADE
);
INSERT INTO meta VALUES ('schema', '1');
