CREATE TABLE request_once (
    subject text NOT NULL,
    key bytea NOT NULL,
    body_hash bytea NOT NULL,
    status integer,
    media_type text,
    answer bytea,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject, key)
);
CREATE INDEX request_once_at ON request_once (at);
