#!/usr/bin/env bash
# Gathers in bench/gpu/carried what a machine with a card and without a network lacks (docs/gpu.md):
#   packages.tar.gz   headers, and static libraries built here from the distribution's sources
#   cache.tar.xz      tokenizers and token shards of the quarter's studies
#   commit            of this tree, which a copy without .git does not know
#   program.tgz    with --program: the program itself, built here against a CUDA LibTorch
# Run again, it makes only what is out of date. Prints what to carry, and its size.
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
# shellcheck source=cmake/setup.sh
source "$root/cmake/setup.sh"
# shellcheck source=bench/gpu/common.sh
source "$root/bench/gpu/common.sh"
say() { printf 'prepare: %s\n' "$*" >&2; }

usage="usage: bench/gpu/prepare.sh [--program LIBTORCH]"
libtorch=
while (($#)); do
  case $1 in
    --program) libtorch=${2:?$usage} && shift 2 ;;
    -h | --help) echo "$usage" && exit 0 ;;
    *) refuse "unknown option '$1'; $usage" ;;
  esac
done
[[ -z $libtorch || -e $libtorch/lib/libtorch_cuda.so ]] ||
  refuse "--program $libtorch: holds no lib/libtorch_cuda.so; name the torch folder of a CUDA wheel"

limit=$((60 << 20))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$carried"

# Sources of the distribution's own packages, by apt's signatures; no root, and nothing is installed.
fetch_source() {
  local apt=$work/apt
  if [[ ! -d $apt ]]; then
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
    local file
    for file in /etc/apt/sources.list.d/{debian,ubuntu}.sources; do
      [[ -e $file ]] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/parts/${file##*/}"
    done
    [[ -e /etc/apt/sources.list ]] && sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$apt/parts/main.list"
    apt_options=(-qq -oDir::Etc::SourceList=/dev/null "-oDir::Etc::SourceParts=$apt/parts"
      "-oDir::State::Lists=$apt/lists" "-oDir::Cache=$apt/cache" -oAPT::Sandbox::User=root)
    apt-get "${apt_options[@]}" update >"$work/log" 2>&1 || refuse "apt-get update failed: $(tail -n 1 "$work/log")"
  fi
  mkdir -p "$work/source/$1" "$work/$1"
  (cd "$work/source/$1" && apt-get "${apt_options[@]}" source --download-only "$1") >"$work/log" 2>&1 ||
    refuse "apt-get source $1 failed: $(tail -n 1 "$work/log")"
  # As its authors wrote it: Debian's patches turn the static library off.
  tar -xf "$work/source/$1"/*.orig.tar.* -C "$work/$1" --strip-components 1
}

# build_static PACKAGE TARGETS CMAKE-SETTING...: compiled here into static libraries.
build_static() {
  local name=$1 targets=$2
  shift 2
  say "building $name"
  fetch_source "$name"
  { cmake -S "$work/$name" -B "$work/$name/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON "$@" &&
    ninja -C "$work/$name/build" $targets; } >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2 && refuse "building $name failed"; }
}

gather_packages() {
  local to=$work/packages
  mkdir -p "$to/include" "$to/lib"
  build_static sentencepiece "sentencepiece-static sentencepiece_train-static" \
    -DSPM_ENABLE_SHARED=OFF -DSPM_ENABLE_TCMALLOC=OFF
  cp "$work"/sentencepiece/build/src/*.a "$to/lib"
  cp "$work"/sentencepiece/src/sentencepiece_{processor,trainer}.h "$to/include"
  # Arrays are zipped and deflated; what libzip could do besides would want four more libraries.
  build_static libzip zip -DBUILD_SHARED_LIBS=OFF -DBUILD_TOOLS=OFF -DBUILD_REGRESS=OFF -DBUILD_EXAMPLES=OFF \
    -DBUILD_DOC=OFF -DENABLE_COMMONCRYPTO=OFF -DENABLE_GNUTLS=OFF -DENABLE_MBEDTLS=OFF -DENABLE_OPENSSL=OFF \
    -DENABLE_BZIP2=OFF -DENABLE_LZMA=OFF -DENABLE_ZSTD=OFF -DHAVE_ARC4RANDOM=OFF
  cp "$work/libzip/build/lib/libzip.a" "$to/lib"
  cp "$work/libzip/lib/zip.h" "$work/libzip/build/zipconf.h" "$to/include"
  build_static benchmark benchmark -DBENCHMARK_ENABLE_TESTING=OFF -DBENCHMARK_ENABLE_WERROR=OFF
  cp "$work/benchmark/build/src/libbenchmark.a" "$to/lib"
  cp -r "$work/benchmark/include/benchmark" "$to/include"
  local libraries
  libraries=/usr/lib/$(gcc -dumpmachine)
  cp "$libraries/libz.a" "$to/lib"
  strip -g "$to"/lib/*.a
  cp -r /usr/include/{CLI,nlohmann,catch2,zlib.h} /usr/include/eigen3/Eigen "$to/include"
  cp "$(echo '#include <zconf.h>' | gcc -M -x c - | grep -o '/[^ ]*zconf.h')" "$to/include"
  tar -C "$work" -czf "$work/packages.tar.gz" packages
  echo "$1" >"$work/packages.stamp"
  mv "$work/packages.tar.gz" "$work/packages.stamp" "$carried"
}

# Names that a C library before 2.31 lacks: such a machine could not link them.
check_symbols() {
  local newer
  newer=$(tar -xOzf "$carried/packages.tar.gz" --wildcards 'packages/lib/*.a' >/dev/null 2>&1 &&
    mkdir -p "$work/symbols" && tar -C "$work/symbols" -xzf "$carried/packages.tar.gz" packages/lib &&
    nm -u "$work"/symbols/packages/lib/*.a 2>/dev/null |
    grep -o -w -E '__libc_single_threaded|(f|l)?stat64|f?stat|__isoc23_[a-z]+|arc4random[a-z_]*' | sort -u | paste -sd' ') || true
  [[ -z $newer ]] || say "the libraries name what a C library older than 2.33 (2.38 for isoc23) lacks: $newer"
}

gather_text() {
  say "tokens"
  export SUBLAB_CACHE=$work/cache
  mkdir -p "$work/cache"
  ln -s "$1/corpora" "$work/cache/corpora"
  local program=$root/build/sublab
  "$program" corpus tokens paper_subllm_1.3b_4k "${paper_text[@]}"
  "$program" corpus tokens gpu_quality
  "$program" corpus tokens gpu_context_cost
  # The text itself stays here but for what an evaluation looks up again.
  mkdir -p "$work/carried_cache/corpora"
  local corpus
  for corpus in "$work"/cache/corpora/*/; do
    mkdir -p "$work/carried_cache/corpora/$(basename "$corpus")"
    cp "$corpus"/{manifest.json,validation.docs} "$work/carried_cache/corpora/$(basename "$corpus")"
  done
  cp -r "$work"/cache/{tokenizers,shards} "$work/carried_cache"
  find "$work/carried_cache" -name '*.lock' -delete
  mv "$work/carried_cache" "$work/cache_to_carry"
  tar -C "$work/cache_to_carry" -cf - . | xz -T0 -6 >"$work/cache.tar.xz"
  echo "$2" >"$work/cache.stamp"
  mv "$work/cache.tar.xz" "$work/cache.stamp" "$carried"
}

# The program for a card of compute capability 9.0, which finds its LibTorch by LD_LIBRARY_PATH.
gather_program() {
  say "building the program for sm_90a (minutes)"
  mkdir -p "$work/unpacked"
  tar -C "$work/unpacked" -xzf "$carried/packages.tar.gz"
  local nvcc build=$root/build-cuda
  nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) || refuse "--program needs nvcc"
  rm -rf "$root/build-cuda-packages" && mv "$work/unpacked/packages" "$root/build-cuda-packages"
  { cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSUBLAB_CUDA=ON -DSUBLAB_BENCH=OFF \
    -DSUBLAB_LIBTORCH="$libtorch" -DSUBLAB_CARRIED="$root/build-cuda-packages" \
    -DCMAKE_CUDA_ARCHITECTURES=90a -DCMAKE_CUDA_COMPILER="$nvcc" &&
    ninja -C "$build" sublab tests_device; } >"$work/log" 2>&1 ||
    { grep -A 12 -m 1 FAILED "$work/log" >&2 || tail -n 20 "$work/log" >&2; refuse "building the program failed"; }
  mkdir -p "$work/program"
  cp "$build/sublab" "$build/tests/tests_device" "$work/program"
  strip "$work"/program/*
  tree_hash >"$work/program/tree"
  tar -C "$work" -czf "$work/program.tgz" program
  mv "$work/program.tgz" "$carried"
}

build_project sublab
cache=$SUBLAB_CACHE
"$root/build/sublab" corpus prepare

stamp=$(dpkg-query -W -f='${Package} ${Version}\n' libeigen3-dev libcli11-dev nlohmann-json3-dev catch2 zlib1g-dev libsentencepiece-dev \
  libzip-dev libbenchmark-dev g++ | sha256sum | cut -c 1-16)
[[ -e $carried/packages.tar.gz && $(cat "$carried/packages.stamp" 2>/dev/null) == "$stamp" ]] || gather_packages "$stamp"
check_symbols
stamp=$(cat "$cache"/corpora/*/manifest.json "$root"/experiments/studies/{gpu_*,paper_subllm_1.3b_4k}.json \
  "$root/bench/gpu/common.sh" | sha256sum | cut -c 1-16)
[[ -e $carried/cache.tar.xz && $(cat "$carried/cache.stamp" 2>/dev/null) == "$stamp" ]] || gather_text "$cache" "$stamp"
[[ -z $libtorch ]] || gather_program
commit=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
[[ -z $(git -C "$root" status --porcelain --untracked-files=no 2>/dev/null) ]] || commit+=+
printf '%s %s\n' "$commit" "$(tree_hash)" >"$carried/commit"

bytes=$(du -sb "$carried" | cut -f 1)
((bytes <= limit)) || refuse "$carried takes $((bytes >> 20)) MiB, more than $((limit >> 20)); take less text (bytes_per_source) in gpu_quality.json"
if [[ -e $carried/program.tgz && $(tar -xOzf "$carried/program.tgz" program/tree) != "$(tree_hash)" ]]; then
  say "program.tgz is of another tree and will not be used there; make it anew with --program, or delete it"
fi
tree=$(git -C "$root" ls-files -z 2>/dev/null | (cd "$root" && xargs -0 -r stat -c %s) | awk '{ sum += $1 } END { printf "%d", sum / 1048576 + 1 }')
printf 'carry bench/gpu/carried (%d MiB) beside the tree (%d MiB), then: bench/gpu/quarter_hour.sh --minutes 9\n' \
  $(((bytes + (1 << 20) - 1) >> 20)) "$tree"
