#!/bin/sh
# Secrets come as files; Airflow and conn-etl want them in the environment. What is set there already stays.
set -eu
folder="${SECRETS:-/run/secrets}"

# default NAME VALUE...: the value's parts are files' contents where they begin with file:
default() {
  name="$1" value=""
  shift
  if eval "[ -n \"\${$name:-}\" ]"; then return; fi
  for part in "$@"; do
    case "$part" in
      file:*) [ -r "$folder/${part#file:}" ] || return 0; value="$value$(cat "$folder/${part#file:}")" ;;
      *) value="$value$part" ;;
    esac
  done
  export "$name=$value"
}

server="${POSTGRES_HOST:-postgres}:${POSTGRES_PORT:-5432}"
default AIRFLOW__DATABASE__SQL_ALCHEMY_CONN "postgresql+psycopg2://airflow:" file:airflow_db_password "@$server/airflow"
default CONN_ETL_AIRFLOW_DATABASE_URL "${AIRFLOW__DATABASE__SQL_ALCHEMY_CONN:-}"
default CONN_ETL_DATABASE_URL "postgresql://conn_etl:" file:conn_etl_db_password "@$server/conn_etl"
default CONN_ETL_READER_URL "postgresql://reader:" file:reader_db_password "@$server/conn_etl"
default AIRFLOW_CONN_CONN_POSTGRES "${CONN_ETL_DATABASE_URL:-}"
default AIRFLOW__API_AUTH__JWT_SECRET file:jwt_secret
default AIRFLOW__API__SECRET_KEY file:api_secret_key
default AIRFLOW__CORE__FERNET_KEY file:fernet_key
default AIRFLOW__CELERY__BROKER_URL "redis://:" file:redis_password "@${REDIS_HOST:-redis}:6379/0"

# The simple auth manager reads its users' passwords from a separate file form.
file="${AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE:-}"
if [ -n "$file" ] && [ -r "$folder/admin_password" ]; then
  (umask 077 && printf '{"admin": "%s"}' "$(cat "$folder/admin_password")" > "$file")
fi
exec "$@"
