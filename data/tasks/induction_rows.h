// Rows of induction heads (arXiv:2312.00752, appendix E.1): among random symbols stands a special
// one, once; at the end it comes again, and the symbol behind it is asked for.
//
//   tokens  a c b S d a a c b d S
//   labels  . . . . . . . . . . d      (. = not scored)
//   hints   0 0 0 1 1 0 0 0 0 0 1
//
// Chance: 1 / n_symbols. The paper trains at 256 and asks at 64 to 2^20.
#pragma once

#include "data/tasks/labelled_rows.h"

namespace sublab {

struct InductionSettings {
  int64_t n_symbols = 16;

  template <class F>
  void fields(F& f) {
    f("n_symbols", n_symbols, "symbols beside the special one", within(2, 1 << 16));
  }
};

class InductionRows : public LabelledRows {
 public:
  static constexpr int64_t kLeastLength = 3;

  InductionRows(const InductionSettings& settings, int64_t length, uint64_t seed,
                const std::string& stream)
      : LabelledRows(length, seed, stream), n_symbols_(settings.n_symbols) {}
  TokenRow row(int64_t index) const override;
  int64_t vocab_size() const override { return n_symbols_ + 1; }
  const std::vector<std::string>& role_names() const override;
  std::vector<uint8_t> roles_of(const TokenRow& row) const override;
  double depth_of(const TokenRow& row) const override;

 private:
  int64_t special() const { return n_symbols_; }
  /// Where the special symbol stands first.
  size_t first(const TokenRow& row) const;

  int64_t n_symbols_;
};

}  // namespace sublab
