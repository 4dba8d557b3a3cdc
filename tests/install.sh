#!/bin/sh
# Installs the Debian packages named, where they are missing and we may: root and apt. Never starts their services.
set -u
missing=""
for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed here (it takes root and apt):$missing. Tests that need them will say they were skipped."
    exit 0
fi
echo "Installing$missing ..."
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
# shellcheck disable=SC2086
if { apt-get update && apt-get install --yes --no-install-recommends $missing; } >"$log" 2>&1; then
    rm -f "$log"
else
    echo "apt could not install them; the end of what it said:"
    tail -n 15 "$log"
fi
