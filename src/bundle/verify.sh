#!/bin/sh
# verify.sh [-t N] KEY.pem... [DIR]
#
# Checks a haversack bundle (format 1; deltas also 2) in DIR (default: this folder) with openssl and POSIX tools
# only. KEY.pem are public keys that you trust; -t N asks for signatures by N different ones of them.
# Nothing in DIR is changed.
#
# Exit: 0 good and complete · 8 good so far, but volumes are not here · 2 usage
#       3 content · 4 signature · 5 newer format, or larger than a bundle may be · 6 cannot be read
#       5 also a delta that is good as carried: `haversack receive` completes it with its base
#
# Not checked here, because it needs what this network remembers or wants: whether an older bundle
# comes in again, and the policy of the trust directory. Nor whether members of bundle.json are written in the
# one way, and ones that this script does not use are there. `haversack verify` checks all of it.
set -u
LC_ALL=C
export LC_ALL
unset CDPATH
umask 077

MAX_LIST_BYTES=4194304
MAX_LIST_LINES=65536
MAX_SIGNATURE_BYTES=65536
MAX_SIGNATURES=64
# Longest DER of two integers below the order of P-384. openssl reads no further, and would not see
# what was added to a signature of this length.
MAX_DER_BYTES=104
MAX_JSON_BYTES=16777216

bad() {
    code=$1
    shift
    printf 'BAD: %s\n' "$*" >&2
    exit "$code"
}

usage() {
    echo "usage: sh verify.sh [-t N] KEY.pem... [DIR]" >&2
    exit 2
}

# The name may lie in sig/, and is a plain file there.
is_signature() {
    case ${1##*/} in
        [!A-Za-z0-9]* | *[!A-Za-z0-9._+~-]*) return 1 ;;
    esac
    [ ! -h sig ] && [ -f "$1" ] && [ ! -h "$1" ]
}

# ---- what is asked ------------------------------------------------------------------------------
threshold=1
while getopts t: option; do
    case $option in
        t) threshold=$OPTARG ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
case $threshold in
    '' | 0* | *[!0-9]* | ????*) usage ;;
esac
[ $# -ge 1 ] || usage
command -v openssl >/dev/null 2>&1 || bad 6 "openssl is not installed; check the .sshsig with ssh-keygen -Y verify instead"

t=$(mktemp -d) || bad 6 "no temporary folder"
trap 'rm -rf "$t"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$t/keys"

dir=
for argument in "$@"; do
    [ -z "$dir" ] || usage
    if [ -d "$argument" ]; then
        dir=$argument
        continue
    fi
    [ -f "$argument" ] || bad 2 "no such key or folder: $argument"
    openssl pkey -pubin -in "$argument" -noout -text 2>/dev/null | grep -q secp384r1 ||
        bad 2 "not a public ECDSA P-384 key in PEM form: $argument"
    openssl pkey -pubin -in "$argument" -outform DER -out "$t/der" 2>/dev/null ||
        bad 2 "not a public key: $argument"
    # One key has one encoding here, or it would count twice. These 24 bytes say: SubjectPublicKeyInfo,
    # named curve P-384, uncompressed point (RFC 5480); the point's 96 bytes follow.
    { [ "$(wc -c <"$t/der")" -eq 120 ] && [ "$(od -An -v -tx1 -N24 "$t/der" | tr -d ' \n')" = \
        3076301006072a8648ce3d020106052b8104002203620004 ]; } ||
        bad 2 "not in canonical form; rewrite it with openssl ec -pubin -pubout -conv_form uncompressed: $argument"
    # Named by its fingerprint, so that the same key counts once.
    fingerprint=$(openssl dgst -sha256 -r "$t/der" | cut -c1-64)
    cp "$argument" "$t/keys/$fingerprint" || bad 6 "cannot copy $argument"
done
[ -n "$(ls "$t/keys")" ] || usage
cd -- "${dir:-.}" || bad 2 "cannot enter ${dir:-.}"

# ---- 1. the list, and its format ----------------------------------------------------------------
[ ! -h SHA256SUMS ] || bad 3 "SHA256SUMS is a symbolic link"
[ -e SHA256SUMS ] || bad 2 "no SHA256SUMS in ${dir:-this folder}"
[ -f SHA256SUMS ] || bad 3 "SHA256SUMS is no plain file"
[ "$(wc -c <SHA256SUMS)" -le $MAX_LIST_BYTES ] || bad 5 "SHA256SUMS is longer than $MAX_LIST_BYTES bytes"
# A copy, so that what is checked is what was signed.
cp SHA256SUMS "$t/list" || bad 6 "cannot read SHA256SUMS"
[ "$(wc -c <"$t/list")" -le $MAX_LIST_BYTES ] || bad 5 "SHA256SUMS is longer than $MAX_LIST_BYTES bytes"
[ "$(wc -l <"$t/list")" -le $MAX_LIST_LINES ] || bad 5 "SHA256SUMS has more than $MAX_LIST_LINES lines"
format=$(head -n 1 "$t/list" | tr '\000' '?')
case $format in
    '# haversack-bundle '*)
        format=${format#'# haversack-bundle '}
        case $format in
            '' | 0* | *[!0-9]* | ??????????*) ;;
            *)
                most=1
                ! sed -n 6p "$t/list" | grep '^# base ' | grep -qvx '# base none' || most=2
                [ "$format" -le $most ] || bad 5 "bundle format $format, this script knows 1, and 2 of deltas"
                ;;
        esac
        ;;
esac

# ---- 2. who says so -----------------------------------------------------------------------------
if [ -d sig ] && [ ! -h sig ]; then
    count=$(find sig ! -path sig | wc -l)
    [ "$count" -le $MAX_SIGNATURES ] || bad 5 "more than $MAX_SIGNATURES files in sig/"
    for file in sig/*.sig sig/*.sshsig sig/*.p7s; do
        is_signature "$file" || continue
        [ "$(wc -c <"$file")" -le $MAX_SIGNATURE_BYTES ] ||
            bad 5 "$file is longer than $MAX_SIGNATURE_BYTES bytes"
    done
fi
good=0
signed=
for key in "$t"/keys/*; do
    for file in sig/*.sig; do
        is_signature "$file" || continue
        [ "$(wc -c <"$file")" -le $MAX_DER_BYTES ] || continue
        if openssl dgst -sha384 -verify "$key" -signature "$file" "$t/list" >/dev/null 2>&1; then
            good=$((good + 1))
            signed="$signed $(basename "$key" | cut -c1-16)"
            break
        fi
    done
done
[ "$good" -ge "$threshold" ] ||
    bad 4 "$good of $threshold signatures by the given keys in sig/; nothing else was looked at"

# ---- 3. the list is well formed -----------------------------------------------------------------
[ "$(tr -d '\n\040-\176' <"$t/list" | wc -c)" -eq 0 ] || bad 3 "SHA256SUMS holds bytes that are not plain ASCII text"
[ "$(tail -c 1 "$t/list" | wc -l)" -eq 1 ] || bad 3 "the last line of SHA256SUMS has no line feed"
[ "$(wc -l <"$t/list")" -ge 9 ] || bad 3 "the header of SHA256SUMS is not complete"
known=' name version sequence created base volumes files marking haversack-bundle '
number=0
for wanted in haversack-bundle name version sequence created base volumes files marking; do
    number=$((number + 1))
    line=$(sed -n "${number}p" "$t/list")
    case $line in
        "# $wanted "* | "# $wanted") continue ;;
        '# '*) ;;
        *) bad 3 "line $number of SHA256SUMS is no header line" ;;
    esac
    found=${line#'# '}
    found=${found%% *}
    case $known in
        *" $found "*) bad 3 "line $number of SHA256SUMS: the header key $wanted belongs here" ;;
    esac
    [ $number -ne 1 ] || bad 3 "line 1 of SHA256SUMS: no bundle"
    bad 5 "a bundle format with the header key $found, which this script does not know"
done
header() {
    sed -n "${1}p" "$t/list" | grep -Eqx "$2" || bad 3 "line $1 of SHA256SUMS is malformed"
}
header 1 '# haversack-bundle [12]'
header 2 '# name [a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?'
header 3 '# version [A-Za-z0-9][A-Za-z0-9._+~:-]{0,63}'
header 4 '# sequence [1-9][0-9]{0,15}'
header 5 '# created (19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z'
header 6 '# base (none|[0-9a-f]{64})'
header 7 '# volumes [1-9][0-9]{0,2} parity (0|[1-9][0-9]{0,2})'
header 8 '# files (0|[1-9][0-9]{0,18}) bytes (0|[1-9][0-9]{0,19})'
header 9 '# marking [!-~]([ -~]{0,118}[!-~])?'
[ "$(sed -n '4s/^# sequence //p' "$t/list")" -le 9007199254740991 ] || bad 3 "line 4 of SHA256SUMS is malformed"
# A day that no month has: the 31st of a short one, or the last of February in a common year.
created=$(sed -n '5s/^# created \(.*\)T.*/\1/p' "$t/list")
year=${created%%-*}
case ${created#*-} in
    02-3? | 04-31 | 06-31 | 09-31 | 11-31) bad 3 "line 5 of SHA256SUMS is malformed" ;;
    02-29)
        leap=$((year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
        [ $leap -eq 1 ] || bad 3 "line 5 of SHA256SUMS is malformed"
        ;;
esac
volumes=$(sed -n '7s/^# volumes \([0-9]*\) .*/\1/p' "$t/list")
parity=$(sed -n '7s/.* //p' "$t/list")
files=$(sed -n '8s/^# files \([0-9]*\) .*/\1/p' "$t/list")
bytes=$(sed -n '8s/.* //p' "$t/list")

sed '1,9d' "$t/list" >"$t/body"
component='[A-Za-z0-9][A-Za-z0-9._+~-]*'
wrong=$(grep -Evx "[0-9a-f]{64}  $component(/$component)*" "$t/body" | head -n 1)
[ -z "$wrong" ] || bad 3 "malformed line in SHA256SUMS: $wrong"
# An empty line is malformed too, and would leave nothing to show above.
! grep -q '^$' "$t/body" || bad 3 "empty line in SHA256SUMS"
cut -c67- "$t/body" >"$t/listed"
twice=$(tr '[:upper:]' '[:lower:]' <"$t/listed" | sort | uniq -d | head -n 3 | tr '\n' ' ')
[ -z "$twice" ] || bad 3 "listed twice (where case is ignored): $twice"
sort -c "$t/listed" 2>/dev/null || bad 3 "SHA256SUMS is not sorted"
header_base=$(sed -n '6s/^# base //p' "$t/list")
# What a delta leaves out is listed below base/ and made/, in its place there. Each file below made/ has the change
# that makes it in the folder change/ of its volume; changes.json tells what the changes are.
: >"$t/of_changes"
list_format=1
if grep -q '^made/' "$t/listed"; then
    list_format=2
    grep -Ex 'changes\.json|v[0-9]+/change/.*' "$t/listed" >"$t/of_changes"
    { echo changes.json; sed -n 's|^made/\(v[0-9]*\)/|\1/change/|p' "$t/listed"; } | sort | cmp -s - "$t/of_changes" ||
        bad 3 "below made/ are other files than the changes make"
fi
[ "$(head -n 1 "$t/list")" = "# haversack-bundle $list_format" ] ||
    bad 3 "line 1 of SHA256SUMS: format 2 belongs to a delta with changes, else 1"
grep -Ev '^(base|made)/' "$t/listed" >"$t/carried"
# The list of the full bundle.
if [ "$header_base" = none ]; then
    cp "$t/body" "$t/full_body"
else
    awk 'FILENAME == ARGV[1] { change[$0] = 1; next } !(substr($0, 67) in change)' "$t/of_changes" "$t/body" |
        sed -E 's,^(.{64}  )(base|made)/,\1,' | sort -k 2 >"$t/full_body"
fi
cut -c67- "$t/full_body" >"$t/full_listed"
twice=$(tr '[:upper:]' '[:lower:]' <"$t/full_listed" | sort | uniq -d | head -n 3 | tr '\n' ' ')
[ -z "$twice" ] || bad 3 "listed twice in the bundle that this delta makes: $twice"
[ "$(wc -l <"$t/full_listed")" -eq "$files" ] || bad 3 "the header counts $files files, but others are listed"
wrong=$(awk -v volumes="$volumes" -v parity="$parity" -v base="$header_base" '
    {
        full = $0
        if (tolower($0) ~ /^(base|made)(\/|$)/) {
            if (base == "none" || $0 !~ /^(base|made)\/v[0-9]+\/./) { print; exit }
            full = substr($0, 6)
        }
        path = tolower($0)
        parts = split(path, part, "/")
        if (length(path) > 240) { print; exit }
        if (part[1] == "sig" || part[1] == "sha256sums") { print; exit }
        if (full ~ /^[vp][0-9]+\//) {
            digits = substr(full, 2)
            sub(/\/.*/, "", digits)
            most = (substr(full, 1, 1) == "v") ? volumes : parity
            if (digits ~ /^0/ || length(digits) > 3 || digits + 0 > most + 0) { print; exit }
        }
        for (i = 1; i <= parts; i++) {
            stem = part[i]
            sub(/[.].*/, "", stem)
            if (length(part[i]) > 100 || part[i] ~ /[.]$/ ||
                stem ~ /^(con|prn|aux|nul|com[0-9]|lpt[0-9])$/) { print; exit }
        }
    }' "$t/listed")
[ -z "$wrong" ] || bad 3 "a path that no bundle may list: $wrong"
grep -qx 'bundle\.json' "$t/listed" || bad 3 "bundle.json is not listed"
if [ "$header_base" != none ]; then
    # The bundle that it makes must be signed by as many keys as the delta itself.
    {
        sed -n '1,9p' "$t/list" | sed '1s/.*/# haversack-bundle 1/; 6s/.*/# base none/'
        cat "$t/full_body"
    } >"$t/full"
    full=0
    of_full=
    for key in "$t"/keys/*; do
        for file in sig/*.full.sig; do
            is_signature "$file" || continue
            [ "$(wc -c <"$file")" -le $MAX_DER_BYTES ] || continue
            if openssl dgst -sha384 -verify "$key" -signature "$file" "$t/full" >/dev/null 2>&1; then
                full=$((full + 1))
                break
            fi
        done
    done
    for file in sig/*.full.sig sig/*.full.sshsig sig/*.full.p7s; do
        ! is_signature "$file" || of_full=1
    done
    [ -n "$of_full" ] || bad 5 "a delta on $header_base, and nobody signed what it makes; ask for the full bundle"
    [ "$full" -ge "$threshold" ] ||
        bad 4 "$full of $threshold signatures by the given keys over the bundle that this delta makes"
fi

# ---- 4. nothing but plain files, nothing that is not listed -------------------------------------
find . >"$t/all" 2>"$t/errors" || bad 6 "cannot be read: $(head -n 1 "$t/errors")"
odd=$(find . ! -type f ! -type d | head -n 1)
[ -z "$odd" ] || bad 3 "not a plain file: $odd"
odd=$(find . -type f -links +1 | head -n 1)
[ -z "$odd" ] || bad 3 "a file with a second name (hard link): $odd"
odd=$(find . -name '*[!A-Za-z0-9._+~-]*' | head -n 1 | tr -c '\n\040-\176' '?')
[ -z "$odd" ] || bad 3 "not in SHA256SUMS: $odd"
if [ -d sig ]; then
    odd=$(find sig -type f | sed 's|^sig/||' | grep -Evx "$component\.(sig|sshsig|p7s)" | head -n 1)
    [ -z "$odd" ] || bad 3 "no signature, but in sig/: $odd"
fi
find . -type f ! -path './sig/*' ! -path ./SHA256SUMS | sed 's|^\./||' | sort >"$t/here"
# The whole old tree may lie in the base of a delta; nothing is said of it here.
if [ "$header_base" != none ]; then
    grep -v '^base/' "$t/here" >"$t/not_base"
    mv "$t/not_base" "$t/here"
fi
extra=$(comm -13 "$t/carried" "$t/here" | head -n 3 | tr '\n' ' ')
[ -z "$extra" ] || bad 3 "not in SHA256SUMS: $extra"

# ---- 5. everything is here, but for whole volumes -----------------------------------------------
comm -12 "$t/carried" "$t/here" >"$t/both"
absent=
sed -n 's|^\([vp][0-9][0-9]*\)/.*|\1|p' "$t/listed" | sort -u >"$t/volumes"
while read -r volume; do
    [ -d "$volume" ] || absent="$absent $volume"
done <"$t/volumes"
missing=$(comm -23 "$t/carried" "$t/here" | awk -v absent="$absent" '
    BEGIN { count = split(absent, name, " "); for (i = 1; i <= count; i++) gone[name[i]] = 1 }
    { split($0, part, "/"); if (!(part[1] in gone)) print }' | head -n 3 | tr '\n' ' ')
[ -z "$missing" ] || bad 3 "missing: $missing"

# ---- 6. every byte ------------------------------------------------------------------------------
[ "$(wc -c <bundle.json)" -le $MAX_JSON_BYTES ] || bad 5 "bundle.json is longer than $MAX_JSON_BYTES bytes"
# A copy, so that what is read below is what was hashed.
cp bundle.json "$t/json" || bad 6 "cannot read bundle.json"
grep -qFx "$(openssl dgst -sha256 -r "$t/json" | cut -c1-64)  bundle.json" "$t/body" ||
    bad 3 "other bytes than listed: bundle.json"
# openssl and not sha256sum: the same digest, several times faster where coreutils was built without.
xargs openssl dgst -sha256 -r <"$t/both" 2>/dev/null | sed 's/ \*/  /' | sort >"$t/found"
awk 'NR == FNR { here[$0] = 1; next } substr($0, 67) in here' "$t/both" "$t/body" | sort >"$t/wanted"
comm -23 "$t/wanted" "$t/found" | cut -c67- | sed 's/^/BAD: other bytes than listed: /' >"$t/altered"
if [ -s "$t/altered" ]; then
    cat "$t/altered" >&2
    exit 3
fi

# ---- 7. bundle.json says the same ---------------------------------------------------------------
json_format=$(sed -n '2s/^  "format": \([0-9]*\),$/\1/p' "$t/json")
case $json_format in
    1 | 2 | 3) ;;
    '' | 0*) bad 3 "bundle.json is malformed" ;;
    *) bad 5 "bundle.json has format $json_format, this script knows 3" ;;
esac
fitting=1
! grep -qx '  "cut": {' "$t/json" || fitting=2
! grep -qx ' *"kind": "image",*' "$t/json" || fitting=3
[ "$json_format" = "$fitting" ] || bad 3 "bundle.json: format 3 with images, else 2 with cut files, and else 1"
awk '
    /^  "files": [{]$/ { inside = 1; next }
    /^  [}]/ { inside = 0 }
    inside && /^    "[^"]*": [{]$/ { path = $1; gsub(/[":]/, "", path) }
    inside && /^      "size": [0-9]+,$/ { size = $2; sub(/,/, "", size); print size, path }
' "$t/json" >"$t/described"
cut -d' ' -f2 "$t/described" | sort >"$t/names"
grep -vx 'bundle\.json' "$t/full_listed" | cmp -s - "$t/names" ||
    bad 3 "bundle.json and SHA256SUMS do not name the same files"
# changes.json does the same for the changes; what they make is proved when the delta is completed.
cp "$t/described" "$t/stated"
if [ -s "$t/of_changes" ]; then
    [ "$(wc -c <changes.json)" -le $MAX_JSON_BYTES ] || bad 5 "changes.json is longer than $MAX_JSON_BYTES bytes"
    cp changes.json "$t/changes" || bad 6 "cannot read changes.json"
    grep -qFx "$(openssl dgst -sha256 -r "$t/changes" | cut -c1-64)  changes.json" "$t/body" ||
        bad 3 "other bytes than listed: changes.json"
    changes_format=$(sed -n '2s/^  "format": \([0-9]*\),$/\1/p' "$t/changes")
    case $changes_format in
        1) ;;
        '' | 0*) bad 3 "changes.json is malformed" ;;
        *) bad 5 "changes.json has format $changes_format, this script knows 1" ;;
    esac
    awk '
        /^  "changes": [{]$/ { inside = 1; next }
        /^  [}]/ { inside = 0 }
        inside && /^    "[^"]*": [{]$/ { path = $1; gsub(/[":]/, "", path) }
        inside && /^      "size": [0-9]+,$/ { size = $2; sub(/,/, "", size); print size, path }
    ' "$t/changes" >"$t/changed"
    { echo changes.json; cut -d' ' -f2 "$t/changed"; } | sort | cmp -s - "$t/of_changes" ||
        bad 3 "changes.json and SHA256SUMS do not name the same changes"
    cat "$t/changed" >>"$t/stated"
fi
xargs wc -c <"$t/both" >"$t/sizes"
wrong=$(awk 'NR == FNR { size[$2] = $1; next } ($2 in size) && size[$2] != $1 { print $2; exit }' \
    "$t/stated" "$t/sizes")
[ -z "$wrong" ] || bad 3 "bundle.json or changes.json states another size: $wrong"
total=$(awk -v own="$(wc -c <"$t/json")" '{ sum += $1 } END { printf "%.0f", sum + own }' "$t/described")
[ "$total" = "$bytes" ] || bad 3 "bundle.json adds up to $total bytes, the header states $bytes"
# Files that lie in parts: a line each of size, sha256, the path of the whole, and the parts.
awk '
    /^  "cut": [{]$/ { inside = 1; next }
    /^  [}]/ { inside = 0 }
    inside && /^    "[^"]*": [{]$/ { path = $1; gsub(/[":]/, "", path); parts = ""; digest = "-" }
    inside && /^      "sha256": "[0-9a-f]*",$/ { digest = $2; gsub(/[",]/, "", digest) }
    inside && /^        "v[^"]*",?$/ { part = $1; gsub(/[",]/, "", part); parts = parts " " part }
    inside && /^        "size": [0-9]+,$/ { size = $2; sub(/,/, "", size); print size, digest, path parts }
' "$t/json" >"$t/cut"
# The parts of a file are numbered through, the first in the volume of its path; each part belongs to one file.
wrong=$(awk '
    NR == FNR { size[$2] = $1; listed[tolower($2)] = 1; next }
    {
        rest = $3
        sub(/^v[0-9]+/, "", rest)
        sum = 0
        if (NF < 5 || NF > 1003 || tolower($3) in listed) { print $3; exit }
        for (i = 4; i <= NF; i++) {
            volume = $i
            sub(/\/.*/, "", volume)
            if (volume !~ /^v[0-9]+$/ || $i != volume rest sprintf(".%03d", i - 4)) { print $i; exit }
            if (i == 4 && index($3, volume "/") != 1) { print $i; exit }
            if (!($i in size) || $i in seen) { print $i; exit }
            seen[$i] = 1
            sum += size[$i]
        }
        if (sprintf("%.0f", sum) != $1) { print $3; exit }
    }' "$t/described" "$t/cut")
[ -z "$wrong" ] || bad 3 "bundle.json: not the parts of a file: $wrong"
awk '
    /^    "[^"]*": [{]$/ { path = $1; gsub(/[":]/, "", path) }
    /^      "kind": "part",?$/ { print path }
' "$t/json" | sort >"$t/parts"
cut -d' ' -f4- "$t/cut" | tr ' ' '\n' | sed '/^$/d' | sort | cmp -s - "$t/parts" ||
    bad 3 "bundle.json: parts of nothing, or that are no parts"
while read -r size digest path parts; do
    # shellcheck disable=SC2086 # paths of this grammar hold nothing that a shell would split or expand
    for part in $parts; do
        [ -f "$part" ] || continue 2
    done
    # shellcheck disable=SC2086
    found=$(cat $parts | openssl dgst -sha256 -r | cut -c1-64)
    [ "$found" = "$digest" ] || bad 3 "the parts of $path ($size bytes) make another file than bundle.json states"
done <"$t/cut"

# ---- what was found -----------------------------------------------------------------------------
sed -n '2,5s/^# //p' "$t/list"
printf 'identity %s\n' "$(openssl dgst -sha256 -r "$t/list" | cut -c1-64)"
printf 'signed by%s\n' "$signed"
count=$(($(wc -l <"$t/both")))
if [ -n "$absent" ]; then
    echo "GOOD so far: $count files; not here:$absent"
    exit 8
fi
if [ "$header_base" != none ]; then
    echo "DELTA on $header_base, good as carried: $count files; $(grep -c '^base/' "$t/listed") to come from the base, $(grep -c '^made/' "$t/listed") to be made by changes"
    echo "next: haversack receive DELTA --base OLD --trust DIR -o NEW"
    exit 5
fi
echo "GOOD: $count files, complete"
