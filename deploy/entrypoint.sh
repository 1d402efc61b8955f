#!/bin/sh
# Settings that are secrets come as files: /run/secrets/database_url becomes DATABASE_URL.
set -eu
for name in DATABASE_URL REDIS_URL METRICS_TOKEN; do
    file="/run/secrets/$(printf '%s' "$name" | tr 'A-Z' 'a-z')"
    if [ -r "$file" ]; then
        export "$name=$(cat "$file")"
    fi
done
exec "$@"
