// A control: keeps each token of a row with probability d, whatever it is,
//
//   s_t = d - u_t,  u_t = unit(mix(key ^ h_t)),  h_t = h_{t-1} + mix(token_t ^ mix(ordinal_t)),
//
// in the row of the parent level, modulo 2^64, with unit(x) the upper 53 bits as a number in
// [0, 1). The draw hashes what the row has been so far: causal, the same for every way of cutting
// the row, another one in every row and at every site. The key comes from the seed and the site and
// is stored in the checkpoint. A loop on the CPU; on a device the same in tensors, so that nothing
// waits.
#include "models/selection/drawn_key.h"
#include "models/selection/scorer.h"
#include "models/transfer.h"

namespace sublab {
namespace random_scorer_detail {

/// x >> n of numbers without a sign.
at::Tensor shifted(const at::Tensor& x, int64_t n) {
  return at::bitwise_and(at::bitwise_right_shift(x, n), (int64_t{1} << (64 - n)) - 1);
}

/// mix_bits (core/random.h) of int64 tensors.
at::Tensor mixed(at::Tensor x) {
  const auto constant = [](uint64_t bits) { return static_cast<int64_t>(bits); };
  x = x + constant(kMixStep);
  x = at::bitwise_xor(x, shifted(x, 30)) * constant(kMixFirst);
  x = at::bitwise_xor(x, shifted(x, 27)) * constant(kMixSecond);
  return at::bitwise_xor(x, shifted(x, 31));
}

/// h of each row's last token so far.
struct Sums : RowMemory {
  explicit Sums(at::Tensor of_row) : of_row(std::move(of_row)) {}
  int64_t n_bytes() const override { return static_cast<int64_t>(of_row.nbytes()); }
  std::unique_ptr<RowMemory> fork(const std::vector<int64_t>& rows) const override {
    return std::make_unique<Sums>(of_row.index_select(0, sent_to(of_row.device(), rows)));
  }
  at::Tensor of_row;  // [B] int64
};

class Random : public Scorer {
 public:
  explicit Random(const ScorerContext& context)
      : key_(context, "random_scorer"),
        retention_(context.retention),
        device_(context.tensor_options.device()) {}

  at::Tensor scores(const ScorerInput& input) const override {
    if (input.rows.n_tokens() == 0) return at::empty({0}, input.x.options());
    at::Tensor& of_row = static_cast<Sums&>(*input.memory).of_row;
    if (input.x.is_cpu()) return on_host(input, of_row).to(input.x.scalar_type());
    const at::Tensor h = prefix_sums(input, of_row);
    const at::Tensor u =
        shifted(mixed(at::bitwise_xor(h, key_.tensor())), 11).to(at::kDouble) * 0x1.0p-53;
    return (retention_ - u).to(input.x.scalar_type());
  }
  std::vector<Buffer> buffers() const override { return {key_.buffer()}; }
  std::unique_ptr<RowMemory> new_memory(int64_t n_rows) const override {
    return std::make_unique<Sums>(at::zeros({n_rows}, at::device(device_).dtype(at::kLong)));
  }

 private:
  /// The scores, [N] fp64; `of_row` goes from the rows' last h to their new ones.
  at::Tensor on_host(const ScorerInput& input, at::Tensor& of_row) const {
    const uint64_t key = key_.bits();
    const at::Tensor tokens = input.tokens.contiguous();
    at::Tensor out = at::empty({input.rows.n_tokens()}, at::kDouble);
    const auto* token = tokens.const_data_ptr<int64_t>();
    auto* value = out.data_ptr<double>();
    for (int64_t b = 0; b < input.rows.n_rows(); ++b) {
      auto h = static_cast<uint64_t>(of_row.const_data_ptr<int64_t>()[b]);
      for (int64_t i = 0; i < input.rows.length(b); ++i) {
        const auto ordinal = static_cast<uint64_t>(input.rows.ordinal(b, i));
        h += mix_bits(static_cast<uint64_t>(*token++) ^ mix_bits(ordinal));
        *value++ = retention_ - unit_interval(mix_bits(key ^ h));
      }
      of_row.data_ptr<int64_t>()[b] = static_cast<int64_t>(h);
    }
    return out;
  }

  /// h_t of every token; `of_row` goes from the rows' last sums to their new ones.
  static at::Tensor prefix_sums(const ScorerInput& input, at::Tensor& of_row) {
    const Rows& rows = input.rows;
    const at::Device device = input.x.device();
    const at::Tensor terms = mixed(at::bitwise_xor(input.tokens, mixed(rows.ordinals(device))));
    const at::Tensor sums = at::constant_pad_nd(terms.cumsum(0), {1, 0}, 0);  // [N + 1]
    std::vector<int64_t> begins, ends;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      begins.push_back(rows.begin(b));
      ends.push_back(rows.begin(b) + rows.length(b));
    }
    const at::Tensor before = sums.index_select(0, sent_to(device, begins));  // [B]
    const at::Tensor after = sums.index_select(0, sent_to(device, ends));
    const at::Tensor shift = of_row - before;
    const at::Tensor h = sums.slice(0, 1) + shift.index_select(0, rows.row_of_tokens(device));
    of_row = shift + after;
    return h;
  }

  DrawnKey key_;
  double retention_;
  at::Device device_;
};

}  // namespace random_scorer_detail

ScorerEntry random_scorer() {
  ScorerEntry entry = scorer_entry<random_scorer_detail::Random>(
      "random", "keeps each token of a row with probability d (control)", "control");
  entry.numerics_version = 2;
  return entry;
}

}  // namespace sublab
