-- Run once by the PostgreSQL image, as superuser, over an empty volume: two databases, three roles, three logins. The
-- roles are those of sql/roles.sql. PostgreSQL 15 to 18.
-- A server of your own can be set up with the same file (psql -f deploy/databases.sql); SECRETS is the folder of passwords.
\set ON_ERROR_STOP on
\set airflow_password `cat "${SECRETS:-/run/secrets}/airflow_db_password"`
\set loader_password `cat "${SECRETS:-/run/secrets}/conn_etl_db_password"`
\set reader_password `cat "${SECRETS:-/run/secrets}/reader_db_password"`

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow ENCODING 'UTF8';

CREATE DATABASE conn_etl ENCODING 'UTF8';
\connect conn_etl
\ir ../sql/roles.sql
ALTER DATABASE conn_etl OWNER TO conn_owner;

-- conn_etl migrates, loads and maintains: it has the rights of a loader, and those of the owner only where it asks.
CREATE ROLE conn_etl LOGIN PASSWORD :'loader_password';
GRANT conn_loader TO conn_etl;
SELECT current_setting('server_version_num')::integer >= 160000 AS grants_say_what_is_inherited \gset
\if :grants_say_what_is_inherited
GRANT conn_owner TO conn_etl WITH INHERIT FALSE;
\else
-- Before version 16 the member decides what it inherits, not the grant: a role between the two inherits nothing.
CREATE ROLE conn_migrator NOLOGIN NOINHERIT;
GRANT conn_owner TO conn_migrator;
GRANT conn_migrator TO conn_etl;
\endif
-- The embedded server has this login already.
SELECT 'CREATE ROLE reader' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') \gexec
ALTER ROLE reader LOGIN PASSWORD :'reader_password';
GRANT conn_reader TO reader;
