# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by quarter_hour.sh: what the machine has, each lack refused by one line; and the program for it.

# The first of these that can be run.
first_program() {
  local each
  for each in "$@"; do command -v "$each" && return 0; done
  return 1
}

find_machine() {
  if [[ $rehearse ]]; then
    device=cpu test_device=second
    program=$root/build/sublab device_tests=$root/build/tests/tests_device
    [[ -x $program && -x $device_tests ]] || "$root/test" -N >/dev/null || # builds, and runs nothing
      refuse "build/ holds no sublab and tests/tests_device, and ./test does not build them"
    return 0
  fi
  device=cuda test_device=cuda
  find_card
  find_libtorch
  [[ -e $carried/packages.tar.gz && -e $carried/cache.tar.xz && -e $carried/commit ]] ||
    refuse "bench/gpu/carried lacks packages.tar.gz, cache.tar.xz or commit; run bench/gpu/prepare.sh where there is a network, and carry it"
  read -r commit prepared_tree <"$carried/commit"
  [[ $prepared_tree == "$(tree_hash)" ]] || commit=${commit%+}+
}

find_card() {
  local smi driver
  if smi=$(first_program nvidia-smi /usr/bin/nvidia-smi /usr/local/nvidia/bin/nvidia-smi); then
    read -r driver capability < <("$smi" --query-gpu=driver_version,compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d ',') || true
    [[ ${driver:-} =~ ^[0-9]+\. && ${capability:-} =~ ^[0-9]+\.[0-9]+$ ]] ||
      refuse "no GPU: nvidia-smi shows none; --rehearse works without"
  else # a container may have the driver without its tools
    driver=$(grep -o -m 1 -E '[0-9]+\.[0-9.]+' /proc/driver/nvidia/version 2>/dev/null | head -n 1) || driver=580
    capability=$(python3 -c 'import torch; print("%d.%d" % torch.cuda.get_device_capability())' 2>/dev/null) ||
      refuse "no GPU: this machine has no nvidia-smi, and python3's torch finds no card; --rehearse works without"
  fi
  ((${driver%%.*} >= 580)) || refuse "the driver $driver is too old: CUDA 13 needs 580 or newer"
  architecture=${capability/./}
  [[ $architecture != 90 ]] || architecture=90a
}

# The torch of python3, or of $LIBTORCH; no import, which would take seconds.
find_libtorch() {
  libtorch=${LIBTORCH:-$(python3 -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' 2>/dev/null || true)}
  [[ -e $libtorch/lib/libtorch_cpu.so ]] || refuse "no LibTorch: python3 has no torch; set LIBTORCH=DIR"
  [[ -e $libtorch/lib/libtorch_cuda.so ]] || refuse "the LibTorch in $libtorch is without CUDA (it holds no libtorch_cuda.so)"
}

build_program() {
  if [[ $rehearse ]]; then
    why="build/ holds the program"
    rehearsal_text
    return 77
  fi
  mkdir -p "$work/cache" && unpack_cache && export SUBLAB_CACHE=$work/cache || return 1
  export LD_LIBRARY_PATH=$libtorch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  if use_carried_program; then
    why="carried, built from this tree"
    return 77
  fi
  local nvcc
  nvcc=$(first_program nvcc /usr/local/cuda/bin/nvcc) || { why="no nvcc" && return 1; }
  tar -C "$work" -xzf "$carried/packages.tar.gz" || return 1
  limited cmake -S "$root" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSUBLAB_CUDA=ON -DSUBLAB_BENCH=OFF \
    -DSUBLAB_LIBTORCH="$libtorch" -DSUBLAB_CARRIED="$work/packages" -DSUBLAB_COMMIT="$commit" \
    -DCMAKE_CUDA_ARCHITECTURES="$architecture" -DCMAKE_CUDA_COMPILER="$nvcc" &>"$logs/build.log" &&
    limited ninja -C "$work/build" sublab tests_device &>>"$logs/build.log" || return
  program=$work/build/sublab device_tests=$work/build/tests/tests_device
  keep_program
}

# tar needs xz for this, which python3 has in itself.
unpack_cache() {
  tar -C "$work/cache" -xJf "$carried/cache.tar.xz" 2>/dev/null ||
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$carried/cache.tar.xz" "$work/cache"
}

# What an earlier quarter or prepare.sh --program built from this very tree.
use_carried_program() {
  [[ -e $carried/program.tgz && $architecture == 90a ]] && tar -C "$work" -xzf "$carried/program.tgz" &&
    [[ $(<"$work/program/tree") == "$(tree_hash)" ]] && "$work/program/sublab" --version >"$logs/build.log" 2>&1 || return 1
  program=$work/program/sublab device_tests=$work/program/tests_device
}

# For the next quarter: put into bench/gpu/carried, it saves the build.
keep_program() {
  mkdir -p "$work/program" && cp "$program" "$device_tests" "$work/program" && strip "$work"/program/{sublab,tests_device} &&
    tree_hash >"$work/program/tree" && tar -C "$work" -czf "$out/program.tgz" program
}
