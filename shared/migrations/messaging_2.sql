ALTER TABLE dead_letter ADD COLUMN discarded_by text, ADD COLUMN discard_reason text;
