#!/usr/bin/env bash
# What a machine with one card is used for while it is there, in the order of worth (docs/gpu.md): build, tests on
# the device, calibration, the paper's speed and memory, a sanitizer, quality, cost by context. Each item writes its
# records at once, and is packed at once into $OUT (default results-gpu): at most 8 files of 16 MiB, which
# `sublab import-results` takes. With --rehearse the same on the CPU, in tiny sizes.
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
# shellcheck source=bench/gpu/common.sh
source "$root/bench/gpu/common.sh"
# shellcheck source=bench/gpu/machine.sh
source "$root/bench/gpu/machine.sh"
# shellcheck source=bench/gpu/pack.sh
source "$root/bench/gpu/pack.sh"
# shellcheck source=bench/gpu/items.sh
source "$root/bench/gpu/items.sh"

shopt -s nullglob
usage="usage: bench/gpu/quarter_hour.sh [--minutes N] [--items NAME,NAME*,...] [--rehearse]"
say() { printf '%s\n' "$*" >&2; }
refuse() { say "quarter_hour: $*" && exit 2; }

minutes=9 items='*' rehearse=
while (($#)); do
  case $1 in
    --minutes) minutes=${2:-} && shift && shift || refuse "--minutes needs a number; $usage" ;;
    --items) items=${2:-} && shift && shift || refuse "--items needs names; $usage" ;;
    --rehearse) rehearse=1 && shift ;;
    -h | --help) echo "$usage" && exit 0 ;;
    *) refuse "unknown option '$1'; $usage" ;;
  esac
done
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || refuse "--minutes '$minutes' is no number"
deadline=$(awk "BEGIN { print int($minutes * 60) }")
((deadline > 0)) || refuse "--minutes '$minutes': must be above 0"

# Programs find the tree, the text and one another by these.
export SUBLAB_ROOT=$root MKL_DYNAMIC=FALSE GOMP_SPINCOUNT=8000
if [[ $rehearse ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  out=${OUT:-$root/build/rehearsal}
else
  work=$root/build-gpu
  out=${OUT:-$root/results-gpu}
fi
results=$work/results
logs=$results/gpu_quarter_hour/$(date -u +%Y%m%dT%H%M%SZ)
find_machine # refuses
rm -rf "$results/gpu_quarter_hour" # an earlier visit's, which were packed
mkdir -p "$logs" "$out" 2>/dev/null && [[ -w $out ]] || refuse "cannot write to $out"
rm -f "$out"/{logs,measured,trained}*.tar.gz

# Whether an item's name matches one of --items.
is_wanted() {
  local pattern
  while read -r -d, pattern; do
    # shellcheck disable=SC2053
    [[ $1 == $pattern ]] && return 0
  done <<<"$items,"
  return 1
}

left() { echo $((deadline - SECONDS)); }

# capped SECONDS COMMAND...: until it ends, its seconds are over or the time is up. sublab answers the signal by
# keeping what is done.
capped() {
  local seconds=$1
  ((seconds < $(left))) || seconds=$(left)
  ((seconds > 0)) || seconds=1
  timeout --signal=INT --kill-after=10 "$seconds" "${@:2}"
}
limited() { capped $deadline "$@"; }

list=$logs/items.txt
note() { printf '%-24s %7s %7s  %s\n' "$@" | tee -a "$list" >&2; }

failed=
# item NAME LEAST-SECONDS COMMAND...: runs it where enough time is left, and packs what it wrote.
item() {
  local name=$1 least=$2 start=$SECONDS code=0 outcome
  shift 2
  is_wanted "$name" || [[ $name == build ]] || return 0
  [[ ! $rehearse ]] || least=1
  if (($(left) < least)); then
    note "$name" - - "not started: $(left) s left, $least needed"
    return 0
  fi
  say "== $name: starts at $start s, $(left) s left"
  why=
  "$@" || code=$?
  case $code in
    0) outcome=done ;;
    77) outcome="skipped: $why" ;;
    124 | 130 | 137) outcome="stopped: the time was up; what was finished is kept" ;;
    *) outcome="FAILED ($code): ${why:-see its log}" && failed+=" $name" ;;
  esac
  note "$name" "$start" $((SECONDS - start)) "$outcome"
  pack
}

note item start seconds result
work_list
say "== in all $SECONDS s; packed in $out:"
(cd "$out" && ls -l) >&2
[[ ! $rehearse ]] || check_packed
[[ -z $failed ]] || { say "quarter_hour: FAILED:$failed" && exit 4; }
