ALTER TABLE inbox RENAME TO inbox_rest;
ALTER TABLE inbox_rest RENAME CONSTRAINT inbox_pkey TO inbox_rest_pkey;
CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
) PARTITION BY RANGE (event_id);
ALTER TABLE inbox ATTACH PARTITION inbox_rest DEFAULT;
