# Sourced by ./sublab and ./test: finds or installs what is missing, configures and builds.
# Exports SUBLAB_ROOT, SUBLAB_CACHE, SUBLAB_DEPS and how OpenMP behaves.

TORCH_VERSION=2.11.0
PACKAGES=(g++ cmake ninja-build ccache lld pkg-config python3 python3-pip git ca-certificates
  libbenchmark-dev libeigen3-dev libcli11-dev nlohmann-json3-dev catch2 libsentencepiece-dev zlib1g-dev
  libzip-dev gnuplot-nox)

export SUBLAB_ROOT=$root
export SUBLAB_CACHE=${SUBLAB_CACHE:-$root/.cache}
export SUBLAB_DEPS=${SUBLAB_DEPS:-$root/.deps}

# MKL must not change the number of threads, which is part of a trial's identity. OpenMP's threads
# wait by spinning; with libgomp's default of many million turns two programs on one machine slow each
# other down twelvefold, with this many none is slower alone.
export MKL_DYNAMIC=FALSE
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-8000}

say() { printf 'sublab: %s\n' "$*" >&2; }
refuse() { say "$*"; exit 2; }

install_packages() {
  command -v dpkg-query >/dev/null ||
    refuse "this machine has no apt; install these yourself: ${PACKAGES[*]}"
  local missing=() package
  for package in "${PACKAGES[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing+=("$package")
  done
  # A pip that is there already serves as well as Debian's.
  if python3 -m pip --version >/dev/null 2>&1; then missing=("${missing[@]/python3-pip/}"); fi
  read -ra missing <<<"${missing[*]-}"
  ((${#missing[@]})) || return 0
  local as_root=()
  if ((EUID != 0)); then
    sudo -n true 2>/dev/null || refuse "run this once, then try again: sudo apt-get install -y ${missing[*]}"
    as_root=(sudo -n)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq >/dev/null 2>&1 || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >"$log" 2>&1 || refuse "apt-get install failed; see $log"
}

# A LibTorch that the user has: $LIBTORCH, $CMAKE_PREFIX_PATH, or that of the python on PATH.
users_libtorch() {
  local candidate version
  local candidates=(${LIBTORCH:+"$LIBTORCH"})
  IFS=: read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  candidates+=("${prefixes[@]}")
  candidates+=("$(python3 -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' 2>/dev/null || true)")
  for candidate in "${candidates[@]}"; do
    candidate=${candidate%/share/cmake*}
    [[ -e $candidate/lib/libtorch_cpu.so ]] || continue
    version=$(awk '/define TORCH_VERSION_(MAJOR|MINOR) /{print $3}' \
      "$candidate/include/torch/headeronly/version.h" 2>/dev/null | paste -sd.)
    if [[ $version == "${TORCH_VERSION%.*}" ]]; then
      printf '%s' "$candidate"
      return 0
    fi
    say "the LibTorch in $candidate is version ${version:-unknown}, not $TORCH_VERSION; not used"
  done
  return 1
}

# The pinned wheel in its lean CPU form: no CUDA stack but the two libraries that libtorch_cpu names.
install_libtorch() {
  local target=$SUBLAB_DEPS/libtorch
  [[ -e $target/stamp ]] && return 0
  mkdir -p "$SUBLAB_DEPS" && [[ -w $SUBLAB_DEPS ]] || refuse "cannot write to $SUBLAB_DEPS"
  exec 8>"$SUBLAB_DEPS/lock"
  flock 8
  if [[ ! -e $target/stamp ]]; then
    say "installing LibTorch $TORCH_VERSION into $SUBLAB_DEPS (about 600 MB to download)"
    local temporary
    temporary=$(mktemp -d "$SUBLAB_DEPS/new.XXXXXX")
    python3 -m pip install -q --no-deps --no-compile --target "$temporary" "torch==$TORCH_VERSION" \
      'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*' >"$log" 2>&1 ||
      { rm -rf "$temporary"; refuse "pip could not install torch==$TORCH_VERSION; see $log"; }
    echo "torch==$TORCH_VERSION" >"$temporary/stamp"
    chmod -R a+rX "$temporary" # mktemp makes it for its owner alone; others may run the program, too
    rm -rf "$target"
    mv "$temporary" "$target"
  fi
  flock -u 8
}

# True when nothing that the build reads is newer than the last good build.
up_to_date() {
  [[ -x $build/sublab && -e $build/stamp && $(<"$build/stamp") == "$1" ]] || return 1
  local newer
  newer=$(find "$root/core" "$root/data" "$root/models" "$root/baselines" "$root/experiments" \
    "$root/analysis" "$root/bench" "$root/tests" "$root/cmake" "$root/CMakeLists.txt" \
    -newer "$build/stamp" \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \
    -o -name '*.cmake' -o -name '*.sh' -o -name '*.txt' -o -type d \) -print -quit 2>/dev/null)
  [[ -z $newer ]]
}

# Opens a LibTorch to other users that an earlier version of this script installed for its owner alone.
share_libtorch() {
  local target=$SUBLAB_DEPS/libtorch
  if [[ -O $target && $(stat -c %A "$target") != *r-x ]]; then chmod -R a+rX "$target" || true; fi
}

# build_project TARGET...: ninja targets, "all" for everything. Needs to write nothing where all is up to date.
build_project() {
  build=$root/build
  log=$build/setup.log
  share_libtorch
  [[ -n ${RANK:-} ]] && return 0 # one of many processes; the launcher's own start has built it
  up_to_date "$*" && return 0
  [[ "$*" == sublab ]] && up_to_date all && return 0
  { mkdir -p "$build" && [[ -w $build ]]; } 2>/dev/null ||
    refuse "what is built in $build is not up to date, and you may not write there; let its owner run ./sublab once, or copy the tree"
  exec 9>"$build/lock"
  flock 9
  install_packages
  local libtorch
  if ! libtorch=$(users_libtorch); then
    install_libtorch
    libtorch=$SUBLAB_DEPS/libtorch/torch
  fi
  local settings=(-DCMAKE_BUILD_TYPE=Release -DSUBLAB_LIBTORCH="$libtorch")
  if [[ "$*" == all ]]; then settings+=(-DSUBLAB_CUDA_OBJECTS=ON); fi
  cmake -S "$root" -B "$build" -G Ninja "${settings[@]}" >"$build/configure.log" 2>&1 ||
    { tail -n 20 "$build/configure.log" >&2; refuse "configuring failed; see $build/configure.log"; }
  say "building"
  if [[ -t 2 ]]; then
    ninja -C "$build" --quiet "$@" >&2 || { say "the build failed"; exit 1; }
  else
    ninja -C "$build" "$@" >"$build/build.log" 2>&1 ||
      { grep -A 12 -m 1 FAILED "$build/build.log" >&2; say "the build failed; see $build/build.log"; exit 1; }
  fi
  echo "$*" >"$build/stamp"
  flock -u 9
  exec 9>&-
}
