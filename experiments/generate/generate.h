// Text from a model, one token at a time: the prompt in one pass, then a step per token.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "data/tokenizer.h"
#include "models/language_model.h"

namespace sublab {

struct GenerateConfig {
  int64_t max_tokens = 64;
  double temperature = 0;
  double top_p = 1;
  int64_t seed = 1;

  template <class F>
  void fields(F& f) {
    f("max_tokens", max_tokens, "stop after this many tokens", within(1, 1 << 24));
    f("temperature", temperature, "divides the logits; 0 = always the most likely token",
      within(0, 1000));
    f("top_p", top_p, "sample among the likeliest tokens that together have this probability",
      above(0, 1));
    f("seed", seed, "picks the random numbers", within(0, 9e15));
  }
};

struct Generated {
  std::vector<int64_t> ids;           ///< new tokens, without the one that ended them
  std::optional<int64_t> stopped_by;  ///< the stop id that the model gave; none: max_tokens
  double time_to_first_token_s = 0;   ///< reading the prompt and choosing the first token
  double decode_s = 0;                ///< all later tokens
  int64_t n_steps = 0;                ///< passes that `decode_s` covers
  int64_t kv_cache_bytes = 0;         ///< held at the end
  int64_t n_read = 0;                 ///< tokens that the model read: boundary, prompt, new ones
  std::vector<double> reached;        ///< share of those that entered each subsampling module
  Activity activity;                  ///< what mechanisms of the model did
};

/// Reads the boundary id and `prompt` (at least one token; throws UserError otherwise), then
/// appends tokens until one of `stop_ids` or max_tokens; `on_token` gets each as it is made. Equal
/// likelihood goes to the smaller id; sampling draws from the stream "generate" of the seed. On a
/// device, tokens of temperature 0 are chosen there and read several at once, so that `on_token`
/// hears of several in turn and the model may read on behind a stop id.
/// Throws UserError for a model that cannot decode.
Generated generate(const LanguageModel& model, const std::vector<int64_t>& prompt,
                   int64_t boundary_id, const std::vector<int64_t>& stop_ids,
                   const GenerateConfig& config, const std::function<void(int64_t)>& on_token);

/// The next token by `logits` [V]: the most likely one at temperature 0, else the one that
/// `uniform` in [0, 1) falls on among the nucleus (arXiv:1904.09751, section 3.1).
int64_t choose_token(const at::Tensor& logits, const GenerateConfig& config, double uniform);

/// Ids to text as they come: gives whole characters only. What can be no UTF-8 becomes U+FFFD.
class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// The text that is certain after one more id; may be empty in the middle of a character.
  std::string add(int64_t id);
  /// What is left at the end.
  std::string finish();

 private:
  std::string take(bool at_end);

  const Tokenizer& tokenizer_;
  std::string pending_;  // bytes of a character that is not whole yet
};

}  // namespace sublab
