CREATE TABLE IF NOT EXISTS topic_partition (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('record') AND relkind = 'r') THEN
        ALTER TABLE record RENAME TO record_rest;
    END IF;
END
$$;
CREATE TABLE IF NOT EXISTS record (
    topic text NOT NULL,
    partition integer NOT NULL,
    offset_ bigint NOT NULL,
    key text NOT NULL,
    headers jsonb NOT NULL,
    value bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (published_at);
CREATE INDEX IF NOT EXISTS record_place ON record (topic, partition, offset_);
CREATE TABLE IF NOT EXISTS record_rest (LIKE record INCLUDING DEFAULTS);
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('record_rest')) THEN
        ALTER TABLE record ATTACH PARTITION record_rest DEFAULT;
    END IF;
END
$$;
CREATE TABLE IF NOT EXISTS group_member (
    group_name text NOT NULL,
    member bigint NOT NULL,
    topics text[] NOT NULL,
    PRIMARY KEY (group_name, member)
);
CREATE TABLE IF NOT EXISTS group_partition (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    committed bigint NOT NULL DEFAULT 0,
    owner bigint,
    PRIMARY KEY (group_name, topic, partition)
);
CREATE SEQUENCE IF NOT EXISTS member_number AS integer CYCLE;
CREATE TABLE IF NOT EXISTS moved (
    to_bus text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
