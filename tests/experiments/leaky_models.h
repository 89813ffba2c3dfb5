// Models that look ahead, or whose modes or rows disagree, and sound twins of theirs.
#pragma once

#include <algorithm>
#include <cmath>

#include "experiments/audit/audit.h"
#include "tests/models/small_models.h"

namespace sublab {

/// A sound one-block llama whose hidden states are mixed along the row. In step mode the mixture is
/// made of the whole past, so that a `mix` that is causal gives a sound model. It keeps no promise
/// about cost.
class Mixed : public LanguageModel {
 public:
  explicit Mixed(int64_t vocab_size = kSmallVocab)
      : inner_(small_model({{"architecture", "llama"}, {"n_layers", 1}}, at::kFloat, vocab_size)) {}

  /// hidden [T, D] of one row, from its first token on -> the same shape.
  virtual at::Tensor mix(const at::Tensor& row) const { return row; }
  /// Something done to the packed hidden states [N, D] of a call.
  virtual at::Tensor change(const at::Tensor& hidden, const Rows&, const Run&) const {
    return hidden;
  }

  at::Tensor embed(const at::Tensor& tokens) const override { return inner_->embed(tokens); }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    auto* own = static_cast<State*>(state);
    const at::Tensor hidden =
        inner_->forward(batch, std::move(x), own ? own->inner.get() : nullptr, run);
    std::vector<at::Tensor> mixed;
    for (int64_t b = 0; b < batch.rows->n_rows(); ++b) {
      const int64_t begin = batch.rows->begin(b), n = batch.rows->length(b);
      if (n == 0) continue;
      at::Tensor row = hidden.slice(0, begin, begin + n);
      if (own) row = own->past[b] = own->past[b].defined() ? at::cat({own->past[b], row}) : row;
      mixed.push_back(mix(row).slice(0, -n));
    }
    if (own) own->advance(*batch.rows);
    return change(mixed.empty() ? hidden : at::cat(mixed), *batch.rows, run);
  }
  const at::Tensor& head_weight() const override { return inner_->head_weight(); }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected) const override {
    return std::make_unique<State>(n_rows, inner_->new_state(n_rows, expected));
  }
  std::vector<Parameter> parameters() const override { return inner_->parameters(); }
  void add_cost(const CostShape& shape, Ledger& ledger) const override {
    inner_->add_cost(shape, ledger);
  }

 private:
  struct State : DecodeState {
    State(int64_t n_rows, std::unique_ptr<DecodeState> inner)
        : DecodeState(n_rows), inner(std::move(inner)), past(n_rows) {}
    int64_t n_bytes() const override { return inner->n_bytes(); }
    std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
      return std::unique_ptr<DecodeState>(new State(*this, rows));
    }
    State(const State& of, const std::vector<int64_t>& rows)
        : DecodeState(of, rows), inner(of.inner->fork(rows)) {
      for (const int64_t row : rows) past.push_back(of.past[row]);
    }
    std::unique_ptr<DecodeState> inner;
    std::vector<at::Tensor> past;  // hidden states of each row so far
  };
  std::unique_ptr<LanguageModel> inner_;
};

/// Row [T, D] moved by one token: each token gets its successor's, the last one zeros.
inline at::Tensor successors(const at::Tensor& row) {
  return at::constant_pad_nd(row.slice(0, 1), {0, 0, 0, 1}, 0);
}

// Leaky: something later is seen.

/// Attention without the causal mask.
struct Unmasked : Mixed {
  using Mixed::Mixed;
  at::Tensor mix(const at::Tensor& row) const override {
    const double scale = std::sqrt(static_cast<double>(row.size(1)));
    return row + at::mm(at::softmax(at::mm(row, row.t()) / scale, 1), row);
  }
};

/// A normalisation with the mean of the whole row.
struct RowMean : Mixed {
  at::Tensor mix(const at::Tensor& row) const override { return row - row.mean(0, true); }
};

/// A little of the next token.
struct NextToken : Mixed {
  explicit NextToken(double size, int64_t vocab_size = kSmallVocab)
      : Mixed(vocab_size), size(size) {}
  at::Tensor mix(const at::Tensor& row) const override { return row + size * successors(row); }
  double size;
};

/// The next token behind a gate that is closed.
struct ClosedGate : Mixed {
  at::Tensor gate = at::zeros({1}).set_requires_grad(true);
  at::Tensor mix(const at::Tensor& row) const override { return row + gate * successors(row); }
  std::vector<Parameter> parameters() const override {
    auto out = Mixed::parameters();
    out.push_back({"gate", gate, 1.0, false});
    return out;
  }
};

/// Means of groups of `size` tokens, given to all of the group; with `shifted`, to the next group,
/// which is sound.
struct MeanPool : Mixed {
  MeanPool(int64_t size, bool shifted) : size(size), shifted(shifted) {}
  at::Tensor mix(const at::Tensor& row) const override {
    std::vector<at::Tensor> out;
    for (int64_t begin = 0; begin < row.size(0); begin += size) {
      const int64_t from = shifted ? begin - size : begin;
      const at::Tensor own = row.slice(0, begin, begin + size);
      out.push_back(from < 0 ? own : own + row.slice(0, from, from + size).mean(0, true));
    }
    return at::cat(out);
  }
  int64_t size;
  bool shifted;
};

/// The last token of the row reaches its first.
struct LongDistance : Mixed {
  at::Tensor mix(const at::Tensor& row) const override {
    at::Tensor out = row.clone();
    out[0] += 1e-6 * row[-1];
    return out;
  }
};

/// Sums from the end of the row.
struct Backwards : Mixed {
  at::Tensor mix(const at::Tensor& row) const override {
    return row + 1e-4 * row.flip(0).cumsum(0).flip(0);
  }
};

/// The greatest value of the row divides all.
struct RowScale : Mixed {
  at::Tensor mix(const at::Tensor& row) const override {
    const at::Tensor greatest = row.abs().max();
    return row / greatest;
  }
};

/// The next token, in some places alone.
struct LateLeak : Mixed {
  LateLeak(int64_t from, int64_t until) : from(from), until(until) {}
  at::Tensor mix(const at::Tensor& row) const override {
    const at::Tensor place = at::arange(row.size(0), row.options()).unsqueeze(1);
    const at::Tensor open = place.ge(from).logical_and(place.lt(until)).to(row.scalar_type());
    return row + 1e-3 * open * successors(row);
  }
  int64_t from, until;  ///< tokens [from, until) see their successors
};

/// The last token of the first chunk sees the first one of the next, in rows that have one.
struct ChunkBorderLeak : Mixed {
  explicit ChunkBorderLeak(int64_t chunk) : chunk(chunk) {}
  at::Tensor mix(const at::Tensor& row) const override {
    if (row.size(0) <= chunk) return row;
    at::Tensor out = row.clone();
    out[chunk - 1] += 1e-3 * row[chunk];
    return out;
  }
  int64_t chunk;
};

/// A little of the next token beside a logit of 1e13 that nothing moves: relative to it the leak is
/// nothing, until noise on the head lets all logits be of its size.
struct HugeLogit : Mixed {
  HugeLogit() {
    at::NoGradGuard no_grad;
    head_weight()[0].zero_();
    head_weight()[0][0] = 1e13;
  }
  at::Tensor mix(const at::Tensor& row) const override {
    const at::Tensor rest = (row + 1e-4 * successors(row)).slice(1, 1);
    return at::cat({at::ones_like(row.slice(1, 0, 1)), rest}, 1);
  }
};

/// A subllm of which `more` parts are swapped for those that `extend` adds to the catalog.
inline std::unique_ptr<LanguageModel> subllm_with(const std::function<void(Parts&)>& extend,
                                                  json more) {
  Catalog catalog = built_in_catalog();
  extend(catalog.parts);
  more.update({{"architecture", "subllm"},
               {"structure", "T(TT)T"},
               {"d_model", 32},
               {"n_heads", 4},
               {"retention", 0.5}});
  const ArchitectureEntry& entry = catalog.architecture("subllm", "test");
  return entry.make(entry.resolve(more, "/model", catalog.parts), kSmallVocab, 1, catalog.parts);
}

/// Leaks through decisions only: of those above the threshold, the row's best may pass.
inline std::unique_ptr<LanguageModel> quota_over_row() {
  struct Quota : Selector {
    Selection select(const SelectorInput& input) const override {
      std::vector<at::Tensor> index;
      Selection out;
      for (const RankedRows& ranked : ranked_rows(input.scores, input.rows))
        for (size_t b = 0; b < ranked.begins.size(); ++b) {
          const int64_t k = kept_tokens(ranked.order.size(1), 0.25);
          const at::Tensor best =
              std::get<0>(ranked.order[static_cast<int64_t>(b)].slice(0, 0, k).sort()) +
              ranked.begins[b];
          index.push_back(
              best.index_select(0, input.scores.index_select(0, best).gt(0).nonzero().squeeze(1)));
        }
      out.index = index.empty() ? at::empty({0}, at::kLong) : at::cat(index);
      out.lengths.assign(input.rows.n_rows(), 0);
      const at::Tensor kept = out.index.contiguous();
      for (int64_t i = 0, b = 0; i < kept.numel(); ++i) {
        while (kept.const_data_ptr<int64_t>()[i] >= input.rows.begin(b) + input.rows.length(b)) ++b;
        ++out.lengths[b];
      }
      return out;
    }
  };
  const auto extend = [](Parts& parts) {
    SelectorEntry entry = selector_entry<Quota>("quota", "", "");
    entry.causal = true;
    parts.selectors.push_back(entry);
  };
  return subllm_with(extend, {{"evaluate_selector", "quota"}});
}

/// A learned score whose zero is the median of the row.
inline std::unique_ptr<LanguageModel> median_scorer() {
  struct Median : Scorer {
    at::Tensor scores(const ScorerInput& input) const override {
      const at::Tensor raw = input.x.sum(1);
      std::vector<at::Tensor> rows;
      for (int64_t b = 0; b < input.rows.n_rows(); ++b) {
        const int64_t begin = input.rows.begin(b), n = input.rows.length(b);
        const at::Tensor row = raw.slice(0, begin, begin + n);
        if (n > 0) rows.push_back(row - row.median());
      }
      return rows.empty() ? raw : at::cat(rows);
    }
  };
  const auto extend = [](Parts& parts) {
    ScorerEntry entry = scorer_entry<Median>("median", "", "");
    entry.weighs = true;
    parts.scorers.push_back(entry);
  };
  return subllm_with(extend, {{"scorer", "median"}});
}

/// Rows of uniform tokens whose labels were shifted wrongly: each token is its own target.
class OwnTokenLabels : public RowSource {
 public:
  OwnTokenLabels(int64_t vocab_size, int64_t context_len)
      : sound_(uniform_rows(vocab_size, context_len, 1)) {}
  TokenRow row(int64_t index) const override {
    TokenRow out = sound_->row(index);
    out.labels = out.tokens;
    return out;
  }
  int64_t context_len() const override { return sound_->context_len(); }
  int64_t vocab_size() const override { return sound_->vocab_size(); }

 private:
  std::unique_ptr<RowSource> sound_;
};

// Disagreeing: rows, or modes.

/// A statistic over the batch.
struct Neighbour : Mixed {
  at::Tensor change(const at::Tensor& hidden, const Rows& rows, const Run&) const override {
    return rows.n_rows() > 1 ? hidden + 1e-6 * hidden.mean() : hidden;
  }
};

/// Decoding does something else than evaluation.
struct OtherStep : Mixed {
  at::Tensor change(const at::Tensor& hidden, const Rows&, const Run& run) const override {
    return run.mode == Mode::step ? hidden * (1 + 1e-6) + 1e-6 : hidden;
  }
};

/// Only steps of a single token in every row are wrong.
struct WrongSingleStep : Mixed {
  at::Tensor change(const at::Tensor& hidden, const Rows& rows, const Run& run) const override {
    const std::vector<int64_t> lengths = rows.lengths();
    const bool single = *std::max_element(lengths.begin(), lengths.end()) == 1;
    return run.mode == Mode::step && single ? hidden + 1e-6 : hidden;
  }
};

// Sound.

/// A causal convolution by FFT, which moves earlier outputs by rounding.
struct FftConvolution : Mixed {
  at::Tensor mix(const at::Tensor& row) const override {
    const int64_t n = row.size(0);
    const at::Tensor filter = at::exp(-at::arange(n, row.options()) / 5).unsqueeze(1);
    const at::Tensor product = at::fft_rfft(row, 2 * n, 0) * at::fft_rfft(filter, 2 * n, 0);
    return row + at::fft_irfft(product, 2 * n, 0).slice(0, 0, n);
  }
};

/// The mean of all tokens so far.
struct CumulativeMean : Mixed {
  at::Tensor mix(const at::Tensor& row) const override {
    const at::Tensor count = at::arange(1, row.size(0) + 1, row.options()).unsqueeze(1);
    return row - row.cumsum(0) / count;
  }
};

/// One module whose score at token 3 lies on the threshold: by rounding, it is kept in steps and
/// left out in whole rows.
struct Tied : Mixed {
  double distance;  ///< of that score from the threshold
  explicit Tied(double distance = 1e-15) : distance(distance) {}
  at::Tensor change(const at::Tensor& hidden, const Rows& rows, const Run& run) const override {
    const bool steps = run.mode == Mode::step;
    const at::Tensor at_three = rows.positions().eq(3);
    const at::Tensor score = at::where(at_three, steps ? distance : -distance, 1.0);
    const at::Tensor kept = score.gt(0);
    for (int64_t b = 0; b < rows.n_rows(); ++b)
      for (int64_t i = 0; i < rows.length(b); ++i) {
        const int64_t at = rows.begin(b) + i, ordinal = rows.start(b) + i;
        if (run.forced) kept[at] = run.forced->keep(0, b, ordinal);
        if (run.recorded) run.recorded->record(0, b, ordinal, kept[at].item<bool>());
      }
    if (run.observer) {
      const at::Tensor index = kept.nonzero().squeeze(1);
      run.observer->selected(0, score, rows, index, at::ones_like(index));
    }
    return hidden * (1 + 1e-3 * kept.unsqueeze(1));
  }
};

}  // namespace sublab
