#!/bin/sh
# Makes each secret once and leaves it alone ever after. One volume a reader, so that nobody can read what is another's:
#   /secrets/gateway   better-auth-secret, upstream-token, database-url    for the gateway and its migrations
#   /secrets/fastapi   upstream-token
#   /secrets/postgres  password
# The readers' numeric users come in as GATEWAY_UID, FASTAPI_UID and POSTGRES_UID.
set -eu
umask 077

random () {
  head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# keep FILE UID VALUE: writes VALUE into FILE for UID alone, unless FILE is there already.
keep () {
  [ -s "$1" ] && return 0
  # Written aside, then renamed: whoever finds the file finds all of it, whenever this was interrupted.
  printf '%s\n' "$3" > "$1.new"
  chmod 0400 "$1.new"
  chown "$2:$2" "$1.new"
  mv "$1.new" "$1"
  echo "made $1"
}

# What two readers share is taken from the first one's file: a run that was cut short must not leave them with two values.
keep /secrets/postgres/password "$POSTGRES_UID" "$(random)"
keep /secrets/fastapi/upstream-token "$FASTAPI_UID" "$(random)"
keep /secrets/gateway/better-auth-secret "$GATEWAY_UID" "$(random)"
keep /secrets/gateway/upstream-token "$GATEWAY_UID" "$(cat /secrets/fastapi/upstream-token)"
keep /secrets/gateway/database-url "$GATEWAY_UID" \
  "postgres://gatehouse:$(cat /secrets/postgres/password)@postgres:5432/gatehouse"
