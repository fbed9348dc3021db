#!/bin/sh
# Unpacks what follows the last line into FOLDER, after it was proved: whole, or not at all.
#   sh parcel FOLDER SHA256-OF-ITS-MANIFEST
set -eu
LC_ALL=C
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 077
folder=$1
manifest=$2
parent=$(dirname -- "$folder")
new=$parent/.new-$(basename -- "$folder")
old=$parent/.old-$(basename -- "$folder")
trap 'rm -rf "$new"' EXIT
mkdir -p -- "$parent"
rm -rf -- "$new" "$old"
mkdir -- "$new"
first=$(awk '/^# --- payload/ { print NR + 1; exit }' "$0")
tail -n +"$first" "$0" | tar --extract --preserve-permissions --no-same-owner --directory "$new"
chmod 0700 "$new"
cd "$new"
[ "$(sha256sum <MANIFEST.sha256 | cut -c 1-64)" = "$manifest" ] ||
    { echo "what arrived is not what was staged" >&2 && exit 1; }
sha256sum --strict --quiet -c MANIFEST.sha256 ||
    { echo "what arrived is not what was staged" >&2 && exit 1; }
cd /
[ ! -e "$folder" ] || mv -- "$folder" "$old"
mv -- "$new" "$folder"
rm -rf -- "$old"
exit 0
# --- payload
