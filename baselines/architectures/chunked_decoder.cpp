// Ends, the loop over layers, rows in any order, state.
#include "baselines/architectures/chunked_decoder.h"

#include <cmath>

#include "models/ascending_rows.h"
#include "models/parts/recompute.h"
#include "models/transfer.h"

namespace sublab {
namespace chunked_decoder_detail {

struct State : DecodeState {
  State(int64_t n_rows, std::vector<ChunkedLayerState> layers, TimestepMoments final_moments)
      : DecodeState(n_rows), layers(std::move(layers)), final_moments(std::move(final_moments)) {}
  State(const State& of, const std::vector<int64_t>& rows) : DecodeState(of, rows) {
    for (const ChunkedLayerState& layer : of.layers) layers.push_back(layer.fork(rows));
    final_moments = forked(of.final_moments, rows);
  }
  static TimestepMoments forked(const TimestepMoments& of, const std::vector<int64_t>& rows) {
    if (!of.mean.defined()) return {};
    const at::Tensor index = sent_to(of.mean.device(), rows);
    return {of.mean.index_select(0, index), of.variance.index_select(0, index)};
  }
  static int64_t bytes_of(const TimestepMoments& of) {
    return of.mean.defined() ? static_cast<int64_t>(of.mean.nbytes() + of.variance.nbytes()) : 0;
  }
  int64_t n_bytes() const override {
    int64_t sum = bytes_of(final_moments);
    for (const ChunkedLayerState& layer : layers) sum += layer.n_bytes();
    return sum;
  }
  std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
    return std::make_unique<State>(*this, rows);
  }

  std::vector<ChunkedLayerState> layers;
  TimestepMoments final_moments;
};

}  // namespace chunked_decoder_detail

void check_divides(int64_t divisor, const char* divisor_name, int64_t of, const char* of_name,
                   const std::string& path) {
  if (of % divisor != 0)
    throw UserError(path + "/" + divisor_name, std::to_string(divisor) + " does not divide " +
                                                   of_name + " " + std::to_string(of));
}

at::Tensor cut_normal_parameter(const std::string& name, at::IntArrayRef shape, double std_dev,
                                double bound, const Initial& initial) {
  if (initial.shapes_only()) return at::empty(shape, initial.options()).requires_grad_();
  // The share of the normal distribution inside the bound, uniformly drawn.
  const double inside = std::erf(bound / std_dev / std::sqrt(2.0));
  at::Tensor x = at::empty(shape, at::kFloat);
  x.uniform_(-inside, inside, generator(initial.seed, "init/" + name));
  x = (x.erfinv() * (std_dev * std::sqrt(2.0))).clamp(-bound, bound);
  return x.to(initial.device).requires_grad_();
}

at::Tensor rows_of(const at::Tensor& state, const at::Tensor& index) {
  return index.size(0) == state.size(0) ? state : state.index_select(0, index);
}

void put_rows(at::Tensor& state, const at::Tensor& index, const at::Tensor& rows) {
  if (index.size(0) == state.size(0))
    state = rows.detach();
  else
    state = state.index_copy(0, index, rows.detach());
}

int64_t ChunkedLayerState::n_bytes() const {
  return static_cast<int64_t>(average.nbytes()) + open.n_bytes() +
         chunked_decoder_detail::State::bytes_of(moments);
}

ChunkedLayerState ChunkedLayerState::fork(const std::vector<int64_t>& rows) const {
  return {average.index_select(0, sent_to(average.device(), rows)),
          chunked_decoder_detail::State::forked(moments, rows), open.fork(rows)};
}

at::Tensor averaged_rows(const AverageTerms& terms, const std::vector<at::Tensor>& x,
                         const ChunkedPass& pass, at::Tensor* state) {
  std::vector<at::Tensor> out;
  for (size_t g = 0; g < x.size(); ++g) {
    const at::Tensor wide = x[g].scalar_type() == at::kDouble ? x[g] : x[g].to(at::kFloat);
    if (!state) {
      out.push_back(exponential_average(terms, wide));
      continue;
    }
    at::Tensor of_rows = rows_of(*state, pass.index[g]);
    out.push_back(exponential_average_step(terms, wide, of_rows));
    put_rows(*state, pass.index[g], of_rows);
  }
  return pass.rows.joined(out);
}

ChunkedDecoder::ChunkedDecoder(const ChunkedDecoderConfig& config, const Ends& ends,
                               int64_t vocab_size, const Initial& initial,
                               std::unique_ptr<Rope> rope)
    : config_(config), ends_(ends), rope_(std::move(rope)) {
  const double std_dev = 1 / std::sqrt(static_cast<double>(config.d_model));
  const auto drawn = [&](const std::string& name) {
    const std::vector<int64_t> shape = {vocab_size, config.d_model};
    return ends.cut ? cut_normal_parameter(name, shape, std_dev, 3 * std_dev, initial)
                    : normal_parameter(name, shape, std_dev, initial);
  };
  embedding_ = drawn("model.embed_tokens.weight");
  if (!config.tied_head) head_ = drawn("lm_head.weight");
}

at::Tensor ChunkedDecoder::embed(const at::Tensor& tokens) const {
  const at::Tensor x = at::embedding(embedding_, tokens);
  return ends_.embedding_scale == 1 ? x : x * ends_.embedding_scale;
}

at::Tensor ChunkedDecoder::forward(const Batch& batch, at::Tensor x, DecodeState* given,
                                   const Run& run) const {
  using chunked_decoder_detail::State;
  auto* state = static_cast<State*>(given);
  if (batch.rows->n_tokens() == 0) return x;
  const AscendingRows ordered = AscendingRows::whole(batch.rows, "moving averages");
  const RowsPtr& rows = ordered.rows;
  x = ordered.ordered(x);
  const auto pass =
      std::make_shared<ChunkedPass>(ChunkedPass{RowRuns::of_rows(*rows, x.device()),
                                                {},
                                                {},
                                                ChunkPlan(*rows, config_.chunk_len, x.options()),
                                                {}});
  for (const RunGroup& group : pass->rows.groups()) {
    pass->index.push_back(sent_to(x.device(), group.rows));
    pass->counts.push_back(
        rows->starts(x.device()).index_select(0, pass->index.back()).to(at::kDouble));
  }
  if (rope_) pass->angles = rope_->angles(pass->plan.places, 0, options());
  for (int64_t i = 0; i < config_.n_layers; ++i) {
    if (run.activity)
      run.activity->count("chunks_passed", pass->plan.n_passed, pass->plan.n_begun,
                          {.layer = i, .level = 0});
    if (run.recompute && !state)
      x = recomputed([this, i, pass](const at::Tensor& input,
                                     const at::Tensor&) { return layer(i, input, *pass, nullptr); },
                     x, {});
    else
      x = layer(i, x, *pass, state ? &state->layers[i] : nullptr);
  }
  x = final_norm(x, *pass, state ? &state->final_moments : nullptr);
  if (state) state->advance(*rows);
  return ordered.as_given(x);
}

std::unique_ptr<DecodeState> ChunkedDecoder::new_state(int64_t n_rows, int64_t) const {
  std::vector<ChunkedLayerState> layers;
  for (int64_t i = 0; i < config_.n_layers; ++i) layers.push_back(new_layer_state(n_rows));
  return std::make_unique<chunked_decoder_detail::State>(n_rows, std::move(layers),
                                                         new_moments(n_rows));
}

std::vector<Parameter> ChunkedDecoder::parameters() const {
  std::vector<Parameter> out = {{"model.embed_tokens.weight", embedding_, 1.0, true}};
  for (int64_t i = 0; i < config_.n_layers; ++i) add_layer_parameters(i, out);
  add_norm_parameters(out);
  if (head_.defined()) out.push_back({"lm_head.weight", head_, 1.0, true});
  return out;
}

void ChunkedDecoder::add_cost(const CostShape& shape, Ledger& ledger) const {
  const std::vector<double> tokens(shape.new_tokens.begin(), shape.new_tokens.end());
  const std::vector<double> past(shape.past_tokens.begin(), shape.past_tokens.end());
  double n = 0;
  for (const double t : tokens) n += t;
  for (int64_t i = 0; i < config_.n_layers; ++i)
    add_layer_cost({.layer = i,
                    .new_tokens = tokens,
                    .past_tokens = past,
                    .bytes_per_number = shape.bytes_per_number,
                    .plain = shape.plain},
                   shape, ledger);
  const auto d = static_cast<double>(config_.d_model), v = static_cast<double>(vocab_size());
  LedgerLine head = linear_cost("head", -1, 0, n, d, v, shape.bytes_per_number);
  head.activation_bytes = (n * 4 * d + v * d) * shape.bytes_per_number;
  if (const at::Tensor moments = new_moments(1).mean; moments.defined())
    head.cache_bytes =
        2 * static_cast<double>(moments.numel() * shape.new_tokens.size()) * shape.bytes_per_number;
  ledger.add(head);
}

}  // namespace sublab
