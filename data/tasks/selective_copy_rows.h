// Rows of selective copying (arXiv:2312.00752, appendix E.1): symbols stand among noise, and at the
// end, at a marker each, they are to be said in their order.
//
//   tokens  _ b _ _ a _ d _ M M M      (_ = noise, M = marker)
//   labels  . . . . . . . . b a d      (. = not scored)
//   hints   0 1 0 0 1 0 1 0 1 1 1
//
// Of n_symbols one is noise and one the marker. Chance: 1 / (n_symbols - 2) for a symbol.
#pragma once

#include "data/tasks/labelled_rows.h"

namespace sublab {

struct SelectiveCopySettings {
  int64_t n_data = 16;
  int64_t n_symbols = 16;

  template <class F>
  void fields(F& f) {
    f("n_data", n_data, "symbols that stand among noise and are said again", within(1, 1 << 16));
    f("n_symbols", n_symbols, "symbols in all, noise and marker among them", within(3, 1 << 16));
  }
};

class SelectiveCopyRows : public LabelledRows {
 public:
  SelectiveCopyRows(const SelectiveCopySettings& settings, int64_t length, uint64_t seed,
                    const std::string& stream)
      : LabelledRows(length, seed, stream), settings_(settings) {}
  TokenRow row(int64_t index) const override;
  int64_t vocab_size() const override { return settings_.n_symbols; }
  const std::vector<std::string>& role_names() const override;
  std::vector<uint8_t> roles_of(const TokenRow& row) const override;
  /// Of the first symbol among the noise.
  double depth_of(const TokenRow& row) const override;

 private:
  static constexpr int64_t kNoise = 0;
  int64_t marker() const { return settings_.n_symbols - 1; }

  SelectiveCopySettings settings_;
};

}  // namespace sublab
