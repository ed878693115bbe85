-- Run once by the PostgreSQL image, as superuser, over an empty volume: two databases, three roles, three logins.
-- A server of your own can be set up with the same file (psql -f deploy/databases.sql); SECRETS is the folder of passwords.
\set ON_ERROR_STOP on
\set airflow_password `cat "${SECRETS:-/run/secrets}/airflow_db_password"`
\set loader_password `cat "${SECRETS:-/run/secrets}/conn_etl_db_password"`
\set reader_password `cat "${SECRETS:-/run/secrets}/reader_db_password"`

-- conn_owner owns the schemas, conn_loader ingests, conn_reader asks.
CREATE ROLE conn_owner NOLOGIN;
CREATE ROLE conn_loader NOLOGIN;
CREATE ROLE conn_reader NOLOGIN;
GRANT conn_reader TO conn_owner, conn_loader;

-- conn_etl migrates, loads and maintains: a loader by nature, the owner only where it asks for it.
CREATE ROLE conn_etl LOGIN PASSWORD :'loader_password';
GRANT conn_loader TO conn_etl;
GRANT conn_owner TO conn_etl WITH INHERIT FALSE;
CREATE ROLE reader LOGIN PASSWORD :'reader_password';
GRANT conn_reader TO reader;
CREATE DATABASE conn_etl OWNER conn_owner ENCODING 'UTF8';
GRANT CREATE, TEMPORARY ON DATABASE conn_etl TO conn_owner;
GRANT TEMPORARY ON DATABASE conn_etl TO conn_loader;

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow ENCODING 'UTF8';
