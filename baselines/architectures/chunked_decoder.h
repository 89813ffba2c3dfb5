// What MEGA and MEGALODON have in common: layers of a moving average and attention inside chunks
// between two token ends; state of constant size.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "baselines/architectures/chunk_attention.h"
#include "baselines/architectures/exponential_average.h"
#include "baselines/architectures/timestep_norm.h"
#include "core/fields.h"
#include "models/language_model.h"
#include "models/parts/rope.h"

namespace sublab {

/// Settings of both. `n_heads` is MEGALODON's.
struct ChunkedDecoderConfig {
  int64_t d_model = 256;
  int64_t n_layers = 8;
  int64_t z_dim = 0;
  int64_t v_dim = 0;
  int64_t d_ff = 0;
  int64_t ema_dim = 16;
  int64_t chunk_len = 256;
  double norm_epsilon = 1e-5;
  bool tied_head = false;

  template <class F>
  void fields(F& f) {
    f("d_model", d_model, "width of the residual stream", within(2, 1 << 20));
    f("n_layers", n_layers, "blocks", within(0, 10000));
    f("z_dim", z_dim, "width of what queries and keys are made of; 0 = about d_model / 4",
      within(0, 1 << 20));
    f("v_dim", v_dim, "width of values; 0 = 2 d_model", within(0, 1 << 20));
    f("ema_dim", ema_dim, "states per channel of the moving average", within(1, 1024));
    f("chunk_len", chunk_len, "tokens of a chunk, inside which attention works",
      within(1, 1 << 24));
    f("norm_epsilon", norm_epsilon, "added to variances and mean squares", within(0, 1));
    f("tied_head", tied_head, "the head is the embedding");
  }
};

/// A width that heads divide. Throws UserError.
void check_divides(int64_t divisor, const char* divisor_name, int64_t of, const char* of_name,
                   const std::string& path);

/// The tokens of a pass: made once, good for all layers.
struct ChunkedPass {
  RowRuns rows;                    ///< groups of equally long rows
  std::vector<at::Tensor> counts;  ///< per group, tokens that its rows have seen before: [R] fp64
  std::vector<at::Tensor> index;   ///< per group, its rows: [R] int64
  ChunkPlan plan;
  RopeAngles angles;  ///< of places in chunks; undefined where nothing turns
};

/// What decoding keeps for a layer.
struct ChunkedLayerState {
  at::Tensor average;       ///< [B, D, state numbers]
  TimestepMoments moments;  ///< undefined where no norm is over timesteps
  OpenChunks open;

  int64_t n_bytes() const;
  ChunkedLayerState fork(const std::vector<int64_t>& rows) const;
};

/// The moving averages of all rows of a pass, of its groups x [R, T, D] -> [N, D], fp32 at least.
/// `state` [B, D, state numbers] is set for tokens that go on, and goes on.
at::Tensor averaged_rows(const AverageTerms& terms, const std::vector<at::Tensor>& x,
                         const ChunkedPass& pass, at::Tensor* state);

class ChunkedDecoder : public LanguageModel {
 public:
  at::Tensor embed(const at::Tensor& tokens) const override;
  const at::Tensor& head_weight() const override { return head_.defined() ? head_ : embedding_; }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override;
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override;
  std::vector<Parameter> parameters() const override;
  void add_cost(const CostShape& shape, Ledger& ledger) const override;

 protected:
  struct Ends {
    double embedding_scale = 1;  ///< of what is looked up
    bool cut = false;            ///< none is drawn beyond three standard deviations
  };
  /// Tensors model.embed_tokens.weight and lm_head.weight, both drawn from N(0, 1 / d_model).
  ChunkedDecoder(const ChunkedDecoderConfig& config, const Ends& ends, int64_t vocab_size,
                 const Initial& initial, std::unique_ptr<Rope> rope);

  /// Layer i over x [N, D]; `state` is set for tokens that go on.
  virtual at::Tensor layer(int64_t i, const at::Tensor& x, const ChunkedPass& pass,
                           ChunkedLayerState* state) const = 0;
  virtual at::Tensor final_norm(const at::Tensor& x, const ChunkedPass& pass,
                                TimestepMoments* moments) const = 0;
  virtual ChunkedLayerState new_layer_state(int64_t n_rows) const = 0;
  /// Of the final norm; undefined tensors where it keeps none.
  virtual TimestepMoments new_moments(int64_t n_rows) const = 0;
  virtual void add_layer_parameters(int64_t i, std::vector<Parameter>& out) const = 0;
  virtual void add_norm_parameters(std::vector<Parameter>& out) const = 0;
  virtual void add_layer_cost(const PassShape& shape, const CostShape& whole,
                              Ledger& ledger) const = 0;
  at::TensorOptions options() const { return embedding_.options(); }

 private:
  ChunkedDecoderConfig config_;
  Ends ends_;
  std::unique_ptr<Rope> rope_;
  at::Tensor embedding_, head_;  // [V, D]; the head undefined where it is the embedding
};

/// A trainable tensor drawn from N(0, std_dev^2) inside [-bound, bound], stream "init/`name`".
at::Tensor cut_normal_parameter(const std::string& name, at::IntArrayRef shape, double std_dev,
                                double bound, const Initial& initial);

/// Rows `index` of a state, a function of it, and back: what steps of a group do.
at::Tensor rows_of(const at::Tensor& state, const at::Tensor& index);
void put_rows(at::Tensor& state, const at::Tensor& index, const at::Tensor& rows);

}  // namespace sublab
