// What a comparison of variants holds equal, and what the program picked for it.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// One entry of a study's "match".
struct EqualCost {
  std::string by;
  double tolerance = 0.01;
  bool count_parents = false;  ///< so does what variants start from (train.from) cost
  std::string solve;           ///< "" = the study's own values are checked
  std::vector<std::string> variants;

  template <class F>
  void fields(F& f) {
    f("by", by, "what is held equal",
      one_of({"train_tokens", "train_flops", "train_seconds", "peak_memory", "parameters"}));
    f("tolerance", tolerance, "relative", within(0, 10));
    f("count_parents", count_parents,
      "the training of the weights that variants start from counts, too; with train_tokens and "
      "train_flops");
    f("solve", solve,
      "what is picked for each of the variants but the reference, so that they cost the same");
    f("variants", variants, "among these; empty = all");
  }
};

/// What was picked for one variant.
struct SolvedValue {
  std::string variant;
  std::string key;  ///< as a study says it: "train.tokens"
  json value;
  std::string by;         ///< the cost that it holds equal
  std::string reference;  ///< the variant whose cost it is
  double ratio = 1;       ///< the cost reached, of the reference's

  template <class F>
  void fields(F& f) {
    f("variant", variant, "for which it was picked");
    f("key", key, "what was picked");
    f("value", value, "the value");
    f("by", by, "the cost that is held equal");
    f("reference", reference, "the variant whose cost it is");
    f("ratio", ratio, "the cost reached, of the reference's");
  }
};

/// "train.tokens 163840 of subllm_0.9: 1.0003 of the train_flops of llama".
std::string solved_text(const SolvedValue& solved);

/// A study's "match", whose entries name some of the variants `names`. Throws UserError at `path`.
std::vector<EqualCost> read_match(const json& value, const std::vector<std::string>& names,
                                  const std::string& path);

/// The variant whose cost the others of an entry have: `compare_to` where it is one of them, else
/// the first that the entry names.
const std::string& reference_of(const EqualCost& match, const std::string& compare_to);

}  // namespace sublab
