# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by prepare.sh and quarter_hour.sh: what both must agree on. Expects $root.
carried=$root/bench/gpu/carried

# Speed hangs on no text: the paper's shapes take little of it, and all three lengths the same.
paper_text=(--set data.bytes_per_source=600000)

# One hash of all that the program is built from: what was built or prepared for another tree is refused.
tree_hash() {
  (cd "$root" && find analysis baselines cmake core data experiments models tests CMakeLists.txt \
    -type f ! -name '*.json' ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-16)
}
