#!/bin/bash
# Four databases, each owned by its service's own role, which can enter no other. The image runs this once, when
# the data directory is empty. A password comes from UNION_<SERVICE>_DB_PASSWORD, or from the file that
# UNION_<SERVICE>_DB_PASSWORD_FILE names.
set -euo pipefail

for service in registry cards cashback reports; do
  variable="UNION_${service^^}_DB_PASSWORD"
  file_variable="${variable}_FILE"
  if [ -n "${!file_variable:-}" ]; then
    password=$(<"${!file_variable}")
  else
    password=${!variable:?neither it nor ${file_variable} is set}
  fi
  # Through the environment and psql's own quoting: a password stands in no process list and breaks no SQL.
  # The extensions that migrations ask for (ltree, pg_trgm, btree_gist) are trusted: an owner may create them.
  SERVICE="$service" SERVICE_PASSWORD="$password" psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
    --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv service SERVICE
\getenv password SERVICE_PASSWORD
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
