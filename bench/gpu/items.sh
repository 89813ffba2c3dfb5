# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by quarter_hour.sh: the items, and the order of their worth.

# Sizes of a rehearsal: the same studies, depths and structures, at widths and lengths of a CPU's seconds.
tiny_model=(--set model.d_model=32 --set model.n_heads=2 --set model.d_ff=64)
tiny_text=(--set 'data.corpus=["rehearsal"]' --set data.tokenizer=bytes --set data.context_len=64 --set data.bytes_per_source=0)

# Text of its own for a rehearsal: the pages of this tree, a paragraph a document.
rehearsal_text() {
  export SUBLAB_CACHE=$work/cache
  awk 'BEGIN { RS = ""; FS = "\n" } length($0) > 200 { gsub(/["\\\t]/, " "); gsub(/\n/, " "); print "{\"text\": \"" $0 "\"}" }' \
    "$root"/docs/*.md >"$work/rehearsal.jsonl"
  "$program" corpus import "$work/rehearsal.jsonl" rehearsal >"$logs/text.log"
}

# measure STUDY NAME SETTING...: speed and memory of a study into gpu_NAME, and what its claims say.
measure() {
  local study=$1 name=$2 settings=() each code=0
  shift 2
  for each in "$@"; do settings+=(--set "$each"); done
  limited "$program" bench "$study" --device "$device" --threads "$threads" --out "$results/gpu_$name" "${settings[@]}" \
    &>"$logs/$name.log" || code=$?
  ((code == 0)) || { why=$(tail -n 1 "$logs/$name.log") && return "$code"; }
  "$program" claims "$results/gpu_$name" &>"$logs/$name.claims.txt" || true # a claim that fails is a result
}

# paper SIZE LENGTH PART MODES BATCHES: a shape of the paper. Training and inference are items of their own, so that
# the end of the time costs one of them.
paper() {
  local study=paper_subllm_$1_$2 name=paper_$1_$2_$3 settings=("measure.modes=$4" "measure.batch=$5")
  if [[ $rehearse ]]; then
    settings+=('data.corpus=["rehearsal"]' data.tokenizer=bytes data.context_len=64 data.bytes_per_source=0
      model.d_model=32 model.n_heads=2 model.d_ff=64 'measure.context=[64]' measure.decode_tokens=4 'measure.batch=[1]')
  else
    settings+=("${paper_text[1]}")
  fi
  measure "$study" "$name" "${settings[@]}"
}

device_tests_item() {
  local code=0
  # Models of a few numbers: several threads would only wait for each other.
  SUBLAB_TEST_DEVICE=$test_device OMP_NUM_THREADS=1 capped 150 "$device_tests" &>"$logs/device_tests.log" || code=$?
  ((code != 77)) || code=1 # the program found no device, and skipped
  why="device_tests.log: $(tail -n 3 "$logs/device_tests.log" | grep . | tail -n 1)"
  return $code
}

# Device tests of the kernels alone, every access to the card's memory checked.
sanitizer_item() {
  local sanitizer code=0
  [[ ! $rehearse ]] || { why="no card here" && return 77; }
  sanitizer=$(first_program compute-sanitizer /usr/local/cuda/bin/compute-sanitizer) || { why="no compute-sanitizer here" && return 77; }
  SUBLAB_TEST_DEVICE=$test_device PYTORCH_NO_CUDA_MEMORY_CACHING=1 capped 150 "$sanitizer" --tool memcheck \
    --error-exitcode 9 "$device_tests" "[kernels]" &>"$logs/sanitizer.log" || code=$?
  why="sanitizer.log: $(grep -a 'ERROR SUMMARY' "$logs/sanitizer.log" | tail -n 1)"
  return $code
}

calibrate_item() {
  limited "$program" calibrate --device "$device" --json >"$logs/calibration.json" 2>"$logs/calibration.log" ||
    { local code=$? && why=$(tail -n 1 "$logs/calibration.log") && return $code; }
}

# Seeds first: wherever the time ends, all variants but one seed's last are compared on the same seeds.
quality_item() {
  local settings=() log=$logs/gpu_quality.log code=0
  local command=(run gpu_quality --device "$device" --threads "$threads" --out "$results/gpu_quality" --by-seed --jobs 2)
  if [[ $rehearse ]]; then
    command+=("${tiny_model[@]}" "${tiny_text[@]}" --set train.tokens=4096 --set train.batch_tokens=512
      --set 'evaluate=[{"task": "perplexity", "max_tokens": 2000}]')
    # The time is up in the middle: what is finished is kept, and the next command does the rest.
    "$program" "${command[@]}" &>"$log" &
    local running=$!
    until compgen -G "$results/gpu_quality/records/*.json" >/dev/null || ! kill -0 $running 2>/dev/null; do sleep 0.2; done
    kill -INT $running 2>/dev/null
    wait $running
    grep -q "finished trials are kept" "$log" || { why="an interrupt did not keep what was finished" && return 1; }
  fi
  limited "$program" "${command[@]}" &>>"$log" || code=$?
  why=$(tail -n 1 "$log")
  return $code
}

context_item() {
  local settings=()
  [[ ! $rehearse ]] || settings=('data.corpus=["rehearsal"]' data.context_len=32 train.tokens=512 train.batch_tokens=512
    model.d_model=32 model.n_heads=2 'measure.context=[32,128]' measure.decode_tokens=4)
  measure gpu_context_cost context_cost "${settings[@]}"
}

# What is worth most comes first. Seconds are the least that an item is begun with.
work_list() {
  local length
  threads=4
  [[ ! $rehearse ]] || threads=1
  item build 0 build_program
  [[ ${program:-} ]] || { failed+=" build" && return 0; }
  item device_tests 15 device_tests_item
  item calibrate 10 calibrate_item
  for length in 4k 8k 2k; do
    item "paper_1.3b_${length}_train" 40 paper 1.3b $length train '["train"]' '[1]'
    item "paper_1.3b_${length}_infer" 45 paper 1.3b $length infer '["prefill","decode"]' '[1,5]'
  done
  for length in 4k 8k 2k; do
    item "paper_0.25b_${length}_train" 25 paper 0.25b $length train '["train"]' '[4]'
    item "paper_0.25b_${length}_infer" 40 paper 0.25b $length infer '["prefill","decode"]' '[1,5,32]'
  done
  item paper_1.3b_4k_batch32 40 paper 1.3b 4k batch32 '["decode"]' '[32]'
  item sanitizer 40 sanitizer_item
  item quality 60 quality_item
  item context_cost 60 context_item
}
