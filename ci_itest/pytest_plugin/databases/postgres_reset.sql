-- What ci-itest installs in a PostgreSQL test database (version 13 and newer), so that a test which commits leaves
-- nothing behind, whichever process or language did the writing:
--
--     SELECT ci_itest.install();     once, after migrations and seeds: what is there now is what a reset restores
--     SELECT ci_itest.reset();       after each test; says how many rows were removed. Also as ci_itest_reset()
--     SELECT * FROM ci_itest.dirty();   the tables that were written to since the last reset
--
-- Every table gets a marker, a sequence of its own that is advanced by statement triggers. A sequence takes no lock and
-- knows no rollback, so writers never wait for one another (with a table of marks the second one would). A reset
-- empties only the marked tables, puts seeded rows back, and lets ids count again from where they began.
--
-- Not seen: tables made after `install` (call it again), materialized views, large objects.

CREATE SCHEMA IF NOT EXISTS ci_itest;
GRANT USAGE ON SCHEMA ci_itest TO PUBLIC;

CREATE TABLE IF NOT EXISTS ci_itest.tables (
    id oid PRIMARY KEY,
    name text NOT NULL,             -- as a person writes it: orders, or billing.invoices outside the search path
    marker oid NOT NULL,
    empty text NOT NULL,            -- the statement that removes its rows
    refill text NOT NULL,           -- the statement that puts the seeded rows back; '' for a table that was empty
    place int NOT NULL DEFAULT 0    -- parents before children
);

CREATE TABLE IF NOT EXISTS ci_itest.counters (
    id oid PRIMARY KEY,             -- a sequence of the application
    first_value bigint NOT NULL,
    last_value bigint               -- when ci_itest was installed; null for one that was not used yet
);

-- SECURITY DEFINER in all of these: the application's own role need not be allowed to see the markers.
CREATE OR REPLACE FUNCTION ci_itest.mark() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_catalog.nextval(TG_ARGV[0]::pg_catalog.oid::pg_catalog.regclass);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION ci_itest.user_tables() RETURNS TABLE (id oid, kind "char") LANGUAGE sql STABLE AS $$
    SELECT c.oid, c.relkind
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'ci_itest') AND n.nspname NOT LIKE 'pg\_%'
      -- Tables of an extension (PostGIS: spatial_ref_sys) are its own.
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
$$;

-- Parents before children; in a circle of foreign keys the order does not matter, for nothing checks it.
CREATE OR REPLACE FUNCTION ci_itest.place_of(of_table oid) RETURNS int LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up AS (
        SELECT of_table AS id, 0 AS depth, ARRAY[of_table] AS seen
        UNION
        SELECT c.confrelid, up.depth + 1, up.seen || c.confrelid
        FROM up JOIN pg_constraint c ON c.conrelid = up.id AND c.contype = 'f'
        WHERE c.confrelid <> ALL (up.seen) AND up.depth < 12
    )
    SELECT max(depth) FROM up
$$;

CREATE OR REPLACE FUNCTION ci_itest.install() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    one record;
    unlogged text := CASE WHEN current_setting('server_version_num')::int >= 150000 THEN 'UNLOGGED' ELSE '' END;
    marker oid;
    columns text;
    refill text;
    has_rows boolean;
    total int := 0;
BEGIN
    PERFORM ci_itest.uninstall();
    FOR one IN SELECT t.id, t.kind, t.id::regclass::text AS name FROM ci_itest.user_tables() t LOOP
        EXECUTE format('CREATE %s SEQUENCE ci_itest.%I', unlogged, 'marker_' || one.id);
        marker := format('ci_itest.%I', 'marker_' || one.id)::regclass;
        EXECUTE format(
            'CREATE TRIGGER ci_itest_mark AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
            'FOR EACH STATEMENT EXECUTE FUNCTION ci_itest.mark(%L)', one.name, marker);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one.name) INTO has_rows;
        refill := '';
        IF has_rows THEN
            SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
            FROM pg_attribute
            WHERE attrelid = one.id AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
            EXECUTE format('CREATE UNLOGGED TABLE ci_itest.%I AS SELECT %s FROM %s', 'kept_' || one.id, columns, one.name);
            refill := format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM ci_itest.%I',
                             one.name, columns, columns, 'kept_' || one.id);
        END IF;
        INSERT INTO ci_itest.tables VALUES (
            one.id, one.name, marker, 'DELETE FROM ' || one.name, refill, ci_itest.place_of(one.id));
        total := total + 1;
    END LOOP;
    PERFORM ci_itest.advance_counters();
    INSERT INTO ci_itest.counters
        SELECT s.seqrelid, s.seqstart, pg_sequence_last_value(s.seqrelid)
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname <> 'ci_itest' AND c.relpersistence <> 't';
    RETURN total;
END $$;

-- Seeds may bring their own ids; the next one must come after them.
CREATE OR REPLACE FUNCTION ci_itest.advance_counters() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
    largest bigint;
BEGIN
    FOR one IN
        SELECT d.objid AS id, d.refobjid::regclass::text AS name, quote_ident(a.attname) AS attribute
        FROM pg_depend d
        JOIN pg_sequence s ON s.seqrelid = d.objid
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND s.seqincrement > 0
    LOOP
        EXECUTE format('SELECT max(%s) FROM %s', one.attribute, one.name) INTO largest;
        IF largest > coalesce(pg_sequence_last_value(one.id), 0) THEN
            PERFORM setval(one.id::regclass, largest);
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION ci_itest.uninstall() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE one record;
BEGIN
    FOR one IN SELECT tgrelid::regclass::text AS name FROM pg_trigger WHERE tgname = 'ci_itest_mark' AND tgparentid = 0 LOOP
        EXECUTE format('DROP TRIGGER ci_itest_mark ON %s', one.name);
    END LOOP;
    FOR one IN SELECT relname, relkind FROM pg_class
               WHERE relnamespace = 'ci_itest'::regnamespace AND relname ~ '^(marker|kept)_[0-9]+$' LOOP
        EXECUTE format('DROP %s ci_itest.%I', CASE one.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, one.relname);
    END LOOP;
    DELETE FROM ci_itest.tables;
    DELETE FROM ci_itest.counters;
END $$;

CREATE OR REPLACE FUNCTION ci_itest.dirty() RETURNS TABLE (name text, statements bigint) LANGUAGE sql SECURITY DEFINER AS $$
    SELECT t.name, pg_sequence_last_value(t.marker)
    FROM ci_itest.tables t WHERE pg_sequence_last_value(t.marker) IS NOT NULL ORDER BY t.name
$$;

-- What a reset did: how many rows it removed, and which tables had been written to. A session that has
-- session_replication_role = replica already is served quicker: to switch it makes the server plan everything anew.
CREATE OR REPLACE FUNCTION ci_itest.reset_telling(OUT removed bigint, OUT written text[])
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    one record;
    count bigint;
    switches boolean;
BEGIN
    removed := 0;
    written := '{}';
    FOR one IN SELECT * FROM ci_itest.tables WHERE pg_sequence_last_value(marker) IS NOT NULL ORDER BY place DESC LOOP
        IF switches IS NULL THEN
            switches := current_setting('session_replication_role') <> 'replica';
            IF switches AND NOT ci_itest.may_skip_checks() THEN
                written := ARRAY(SELECT name FROM ci_itest.dirty());
                removed := ci_itest.reset_by_truncation();
                RETURN;
            END IF;
            IF switches THEN
                -- Neither foreign keys nor anybody's triggers, ours included, until the end of this transaction.
                PERFORM set_config('session_replication_role', 'replica', true);
            END IF;
        END IF;
        written := one.name || written;
        EXECUTE one.empty;
        IF one.refill = '' THEN
            GET DIAGNOSTICS count = ROW_COUNT;
            removed := removed + count;
        ELSE
            EXECUTE one.refill;
        END IF;
        PERFORM setval(one.marker::regclass, 1, false);
    END LOOP;
    IF switches THEN
        PERFORM set_config('session_replication_role', 'origin', true);
    END IF;
    PERFORM setval(c.id::regclass, coalesce(c.last_value, c.first_value), c.last_value IS NOT NULL)
        FROM ci_itest.counters c WHERE pg_sequence_last_value(c.id) IS DISTINCT FROM c.last_value;
END $$;

CREATE OR REPLACE FUNCTION ci_itest.reset() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT removed FROM ci_itest.reset_telling()
$$;

-- Whether the role that installed this may switch foreign keys off: a superuser, or one that was granted it.
CREATE OR REPLACE FUNCTION ci_itest.may_skip_checks() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('is_superuser') = 'on' OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN true;
    END IF;
    IF current_setting('server_version_num')::int >= 150000 THEN
        RETURN has_parameter_privilege('session_replication_role', 'SET');
    END IF;
    RETURN false;
END $$;

-- The slower way of a role without that right: what hangs on a dirty table is truncated, and refilled, with it.
CREATE OR REPLACE FUNCTION ci_itest.reset_by_truncation() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    one record;
    names text;
    removed bigint := 0;
    count bigint;
BEGIN
    SELECT string_agg(t.name, ', ') INTO names
        FROM ci_itest.tables t WHERE pg_sequence_last_value(t.marker) IS NOT NULL;
    FOR one IN SELECT * FROM ci_itest.tables WHERE pg_sequence_last_value(marker) IS NOT NULL AND refill = '' LOOP
        EXECUTE format('SELECT count(*) FROM %s', one.name) INTO count;
        removed := removed + count;
    END LOOP;
    -- The truncation marks, by our own triggers, also what it reached along foreign keys.
    EXECUTE 'TRUNCATE ' || names || ' CASCADE';
    FOR one IN SELECT * FROM ci_itest.tables WHERE pg_sequence_last_value(marker) IS NOT NULL ORDER BY place LOOP
        IF one.refill <> '' THEN
            EXECUTE one.refill;
        END IF;
        PERFORM setval(one.marker::regclass, 1, false);
    END LOOP;
    PERFORM setval(c.id::regclass, coalesce(c.last_value, c.first_value), c.last_value IS NOT NULL)
        FROM ci_itest.counters c WHERE pg_sequence_last_value(c.id) IS DISTINCT FROM c.last_value;
    RETURN removed;
END $$;

-- For suites whose statements cannot name a schema.
DO $$ BEGIN
    IF to_regnamespace('public') IS NOT NULL THEN
        CREATE OR REPLACE FUNCTION public.ci_itest_reset() RETURNS bigint LANGUAGE sql AS 'SELECT ci_itest.reset()';
    END IF;
END $$;
