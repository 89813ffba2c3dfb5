// Sampling token by token against a decode state.
#include "experiments/generate/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "data/text/documents.h"
#include "experiments/machine/stopwatch.h"
#include "experiments/observe/keep_counter.h"
#include "models/parts/lm_head.h"
#include "models/transfer.h"

namespace sublab {
namespace {

/// Length of the character that begins with `lead`, or 0 when none does.
size_t character_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

/// A character may still become whole when more bytes come.
bool is_beginning(std::string_view bytes) {
  return std::all_of(bytes.begin() + 1, bytes.end(),
                     [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; });
}

[[noreturn]] void refuse_weights() {
  throw UserError("model", "gave logits that are not finite; its weights are of no use");
}

std::vector<double> probabilities(const std::vector<double>& logits, double temperature) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> out(logits.size());
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i)
    sum += out[i] = std::exp((logits[i] - largest) / temperature);
  for (double& p : out) p /= sum;
  return out;
}

}  // namespace

int64_t choose_token(const at::Tensor& logits, const GenerateConfig& config, double uniform) {
  const at::Tensor on_host = logits.to(at::kDouble).cpu().contiguous();
  const auto* data = on_host.const_data_ptr<double>();
  const std::vector<double> values(data, data + on_host.numel());
  if (!std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }))
    refuse_weights();
  if (config.temperature == 0)
    return std::max_element(values.begin(), values.end()) - values.begin();
  const std::vector<double> p = probabilities(values, config.temperature);
  std::vector<int64_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return p[a] > p[b]; });
  double nucleus = 0;
  size_t n = 0;
  while (n < order.size() && (n == 0 || nucleus < config.top_p)) nucleus += p[order[n++]];
  double left = uniform * nucleus;
  for (size_t i = 0; i < n; ++i) {
    left -= p[order[i]];
    if (left < 0) return order[i];
  }
  return order[n - 1];
}

namespace generation {

/// How many tokens a device chooses before the host reads them: each read waits for all of them.
constexpr int64_t kReadAtOnce = 16;
/// In the place of a token: the logits were not finite.
constexpr int64_t kNotFinite = -1;

/// One request on its way through the model.
class Request {
 public:
  Request(const LanguageModel& model, const GenerateConfig& config, Run run, int64_t prompt_tokens)
      : model_(model),
        config_(config),
        run_(run),
        random_(static_cast<uint64_t>(config.seed), "generate"),
        on_device_(!model.device().is_cpu() && config.temperature == 0) {
    constexpr int64_t kMostRoom = 4096;  // the cache grows by itself where more comes
    run_.declared_length = prompt_tokens + config.max_tokens;
    state_ = model.new_state(1, prompt_tokens + std::min(config.max_tokens, kMostRoom));
  }

  /// What follows `input`.
  int64_t next(const std::vector<int64_t>& input) {
    return choose_token(logits_after(sent_to(model_.device(), input)), config_, random_.uniform());
  }

  /// Up to `n` tokens, the first of which follows `last`. More than one only where the device
  /// chooses them by itself; each is what it reads next.
  std::vector<int64_t> next_several(int64_t last, int64_t n) {
    if (!on_device_) return {next({last})};
    std::vector<at::Tensor> made;
    at::Tensor input = sent_to(model_.device(), std::vector<int64_t>{last});
    for (int64_t i = 0; i < std::min(n, kReadAtOnce); ++i) {
      const at::Tensor logits = logits_after(input);
      made.push_back(at::where(logits.isfinite().all(), logits.argmax(), kNotFinite).view({1}));
      input = made.back().clamp_min(0);
    }
    const at::Tensor read = at::cat(made).cpu();
    const auto* ids = read.const_data_ptr<int64_t>();
    if (std::find(ids, ids + read.numel(), kNotFinite) != ids + read.numel()) refuse_weights();
    return {ids, ids + read.numel()};
  }

  int64_t n_read() const { return n_read_; }
  const DecodeState& state() const { return *state_; }

 private:
  at::Tensor logits_after(const at::Tensor& input) {
    const Batch batch = continue_rows(*state_, input, {input.numel()});
    const at::Tensor hidden = run_model(model_, batch, state_.get(), run_);
    n_read_ += input.numel();
    return next_logits(hidden, *batch.rows, model_.head_weight()).squeeze(0);
  }

  const LanguageModel& model_;
  const GenerateConfig& config_;
  Run run_;
  RandomSequence random_;
  bool on_device_;
  std::unique_ptr<DecodeState> state_;
  int64_t n_read_ = 0;
};

}  // namespace generation

Generated generate(const LanguageModel& model, const std::vector<int64_t>& prompt,
                   int64_t boundary_id, const std::vector<int64_t>& stop_ids,
                   const GenerateConfig& config, const std::function<void(int64_t)>& on_token) {
  if (prompt.empty()) throw UserError("prompt", "has no tokens; give at least one");
  at::NoGradGuard no_grad;
  Generated out;
  KeepCounter counter;
  Run run;
  run.mode = Mode::step;
  run.observer = &counter;
  run.activity = &out.activity;
  std::vector<int64_t> input = {boundary_id};
  input.insert(input.end(), prompt.begin(), prompt.end());
  generation::Request request(model, config, run, static_cast<int64_t>(input.size()));
  auto start = Clock::now();
  std::vector<int64_t> made = {request.next(input)};
  out.time_to_first_token_s = seconds_since(start);
  const auto takes = [&](int64_t token) {
    if (std::find(stop_ids.begin(), stop_ids.end(), token) != stop_ids.end()) {
      out.stopped_by = token;
      return false;
    }
    out.ids.push_back(token);
    on_token(token);
    return static_cast<int64_t>(out.ids.size()) < config.max_tokens;
  };
  while (std::all_of(made.begin(), made.end(), takes)) {
    start = Clock::now();
    const int64_t before = request.n_read();
    made =
        request.next_several(made.back(), config.max_tokens - static_cast<int64_t>(out.ids.size()));
    out.decode_s += seconds_since(start);
    out.n_steps += request.n_read() - before;
  }
  out.kv_cache_bytes = request.state().n_bytes();
  out.n_read = request.n_read();
  out.reached = counter.kept();
  for (double& share : out.reached) share /= static_cast<double>(out.n_read);
  return out;
}

std::string TextStream::add(int64_t id) {
  pending_ += tokenizer_.decode({static_cast<int32_t>(id)});
  return take(false);
}

std::string TextStream::finish() { return take(true); }

std::string TextStream::take(bool at_end) {
  constexpr const char* kReplacement = "\xef\xbf\xbd";
  std::string out;
  size_t at = 0;
  while (at < pending_.size()) {
    const size_t length = character_length(static_cast<unsigned char>(pending_[at]));
    const std::string_view bytes = std::string_view(pending_).substr(at, length);
    if (length > 0 && bytes.size() < length && is_beginning(bytes) && !at_end) break;
    const bool whole = length > 0 && bytes.size() == length && invalid_utf8(bytes) == bytes.npos;
    out += whole ? std::string(bytes) : kReplacement;
    at += whole ? length : 1;
  }
  pending_.erase(0, at);
  return out;
}

}  // namespace sublab
