#!/bin/sh
# Draw the passwords and keys that docker-compose.yml asks for; those that are there stay.
set -eu
folder="${1:-secrets}"
umask 077
mkdir -p "$folder"
draw() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for name in postgres_password airflow_db_password conn_etl_db_password reader_db_password redis_password \
  admin_password jwt_secret api_secret_key; do
  [ -s "$folder/$name" ] || draw > "$folder/$name"
done
[ -s "$folder/fernet_key" ] || head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' > "$folder/fernet_key"
# The containers' user is not yours: it reads them, nobody else gets into the folder.
chmod 0700 "$folder"
chmod 0444 "$folder"/*
