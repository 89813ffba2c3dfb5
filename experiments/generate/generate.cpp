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
    throw UserError("model", "gave logits that are not finite; its weights are of no use");
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

Generated generate(const LanguageModel& model, const std::vector<int64_t>& prompt,
                   int64_t boundary_id, const std::vector<int64_t>& stop_ids,
                   const GenerateConfig& config, const std::function<void(int64_t)>& on_token) {
  if (prompt.empty()) throw UserError("prompt", "has no tokens; give at least one");
  at::NoGradGuard no_grad;
  Generated out;
  RandomSequence random(static_cast<uint64_t>(config.seed), "generate");
  KeepCounter counter;
  Run run;
  run.mode = Mode::step;
  run.observer = &counter;
  run.activity = &out.activity;
  std::vector<int64_t> input = {boundary_id};
  input.insert(input.end(), prompt.begin(), prompt.end());
  run.declared_length = static_cast<int64_t>(input.size()) + config.max_tokens;
  constexpr int64_t kMostRoom = 4096;  // the cache grows by itself where more comes
  const auto state = model.new_state(
      1, static_cast<int64_t>(input.size()) + std::min(config.max_tokens, kMostRoom));
  const auto next_token = [&] {
    const auto n = static_cast<int64_t>(input.size());
    const Batch batch = continue_rows(*state, at::tensor(input, at::kLong).to(model.device()), {n});
    const at::Tensor hidden = run_model(model, batch, state.get(), run);
    out.n_read += n;
    const at::Tensor logits = next_logits(hidden, *batch.rows, model.head_weight()).squeeze(0);
    return choose_token(logits, config, random.uniform());
  };
  auto start = Clock::now();
  int64_t token = next_token();
  out.time_to_first_token_s = seconds_since(start);
  const auto stops = [&] {
    return std::find(stop_ids.begin(), stop_ids.end(), token) != stop_ids.end();
  };
  while (!stops()) {
    out.ids.push_back(token);
    on_token(token);
    if (static_cast<int64_t>(out.ids.size()) == config.max_tokens) break;
    input = {token};
    start = Clock::now();
    token = next_token();
    out.decode_s += seconds_since(start);
    ++out.n_steps;
  }
  if (stops()) out.stopped_by = token;
  out.kv_cache_bytes = state->n_bytes();
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
