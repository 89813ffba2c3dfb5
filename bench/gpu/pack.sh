# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by quarter_hour.sh: results as at most 8 archives of 16 MiB.
part_bytes=$((16 << 20))

# Files of the folders named, but for what is large or made anew at home.
files_of() { (cd "$results" && find "$@" -type f ! -path '*/checkpoints/*' ! -path '*/work/*' ! -name 'report.*' -printf '%s %p\n' | sort -k 2); }

# archive NAME FOLDER...: one archive, or NAME_1, NAME_2, ... where it would be too large.
archive() {
  local name=$1 part=1 sum=0 size file
  shift
  files_of "$@" >"$work/files"
  [[ -s $work/files ]] || return 0
  rm -f "$out/$name".tar.gz "$out/${name}"_[0-9].tar.gz
  cut -d ' ' -f 2- "$work/files" >"$work/part"
  put "$name"
  (($(stat -c %s "$out/$name.tar.gz") > part_bytes)) || return 0
  rm "$out/$name.tar.gz" && : >"$work/part"
  while read -r size file; do
    if ((sum + size > part_bytes - (1 << 20) && sum > 0)); then
      put "${name}_$part" && part=$((part + 1)) && sum=0 && : >"$work/part"
    fi
    echo "$file" >>"$work/part" && sum=$((sum + size))
  done <"$work/files"
  put "${name}_$part"
}

put() { tar -C "$results" -czf "$out/.$1" -T "$work/part" && mv "$out/.$1" "$out/$1.tar.gz"; }

# Logs, all that was only measured, and what was trained. A study with a plan and no result stays out.
pack() {
  local folder measured=() trained=()
  for folder in "$results"/gpu_*/; do
    folder=$(basename "$folder")
    [[ $folder != gpu_quarter_hour ]] || continue
    if compgen -G "$results/$folder/records/*.json" >/dev/null; then
      trained+=("$folder")
    elif compgen -G "$results/$folder/bench/*.json" >/dev/null; then
      measured+=("$folder")
    fi
  done
  archive logs gpu_quarter_hour
  ((${#measured[@]} == 0)) || archive measured "${measured[@]}"
  ((${#trained[@]} == 0)) || archive trained "${trained[@]}"
  local n
  cp "$list" "$out/items.txt"
  n=$(compgen -G "$out/*" | wc -l)
  ((n <= 8)) || say "quarter_hour: $n files in $out: more than 8 may not come back"
}

# The rehearsal's last word: what was packed comes home as studies that verify follows.
check_packed() {
  say "== import and verify"
  local home=$work/home study
  "$program" import-results "$out"/{logs,measured,trained}*.tar.gz --into "$home" >&2 || { say "quarter_hour: import-results refused" && exit 4; }
  for study in "$home"/gpu_*/plan.json; do
    "$program" verify "$(dirname "$study")" >"$work/verified" || { cat "$work/verified" >&2 && exit 4; }
    say "verified $(basename "$(dirname "$study")"): $(tail -n 1 "$work/verified")"
  done
}
