#!/bin/sh
# The role of the dashboards; what it may read, the services' migrations say.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --variable password="$(cat /run/secrets/reporting_password)" <<'SQL'
CREATE ROLE hotline_reporting LOGIN PASSWORD :'password';
ALTER ROLE hotline_reporting SET default_transaction_read_only = on;
ALTER ROLE hotline_reporting SET statement_timeout = '30s';
ALTER ROLE hotline_reporting SET timezone = 'Asia/Shanghai';
SQL
