// One text under the loupe: how deep each of its tokens went in one or two models, with which
// scores, and what each cost. Plain values and what follows from them.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "analysis/report/report.h"
#include "analysis/statistics/statistics.h"
#include "core/schema/token_classes.h"

namespace sublab {

/// What a number is where there is none.
inline constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// A token as the model read it. The first one of a text is the boundary, which has no bytes.
struct InspectedToken {
  int64_t id = 0;
  std::string bytes;  ///< what it stands for; may be part of a character
  int64_t begin = 0;  ///< offset of `bytes` in the text
  TokenClass kind = TokenClass::other;
  uint8_t depth = 0;    ///< deepest level that it entered, 0 = none
  double loss = kNone;  ///< nats, of predicting this token; the boundary is not predicted

  int64_t end() const { return begin + static_cast<int64_t>(bytes.size()); }
};

/// What one subsampling module said of each token.
struct InspectedModule {
  int64_t level = 1;            ///< that it lets tokens into
  std::vector<double> scores;   ///< threshold subtracted; kNone where it was not asked
  std::vector<double> weights;  ///< of the gate; kNone where the token was not let in

  bool has_scores() const;
};

/// One model's reading of the text. Windows of `window` tokens are read each from its start.
struct InspectedText {
  std::string name;       ///< the checkpoint, as a page names it (shown_path)
  std::string model;      ///< what it is, in a few words
  std::string tokenizer;  ///< in a few words
  int64_t window = 1;
  bool causal = true;  ///< false: selection looked at later tokens of the window
  std::vector<InspectedToken> tokens;
  std::vector<InspectedModule> modules;

  int64_t n_levels() const;
};

/// How the tokens of two readings are brought together.
enum class Alignment {
  none,    ///< one reading, or a tokenizer that does not give the text back
  tokens,  ///< both have the same tokens
  bytes    ///< tokens differ: every byte has its token's depth and an equal share of its loss
};

struct Inspection {
  std::string text;                  ///< the file, as a page names it
  int64_t text_bytes = 0;            ///< of the file
  int64_t shown_bytes = 0;           ///< that the tokens stand for
  bool cut_short = false;            ///< not all of the file
  std::vector<InspectedText> sides;  ///< one or two
  Alignment alignment = Alignment::none;
};

/// Means of neighbouring tokens depend on each other, so intervals come from blocks of consecutive
/// ones: their sums vary as the text does. Tokens of a block, at least 64, about 40 blocks a text.
int64_t block_length(int64_t n_tokens);

/// The part of a text that has a property, against the part that has not.
struct Contrast {
  double n_with = 0, n_without = 0;
  double with = kNone, without = kNone;  ///< mean loss in nats
  Estimate difference;                   ///< with - without
  bool possible = false;                 ///< both parts have tokens
};

/// Which loss belongs to a token.
enum class LossOf {
  token,      ///< of predicting it
  prediction  ///< of predicting the token behind it, from it
};

/// Loss of the tokens that entered `level` against those that stopped right before it.
Contrast kept_and_dropped(const InspectedText& side, int64_t level, LossOf which);

/// A stretch of text that both readings speak of: a token or a byte.
struct SharedUnit {
  double depth[2];
  double loss[2];  ///< nats; kNone for the boundary
};

/// The units of an aligned inspection, in order; empty without alignment.
std::vector<SharedUnit> shared_units(const Inspection& inspection);

/// Mean loss per unit of the first reading minus that of the second, paired.
Estimate loss_difference(const std::vector<SharedUnit>& units);

/// The tables of one reading: levels, modules, classes of tokens.
std::vector<Table> inspection_tables(const InspectedText& side);
/// Share of tokens that enter each level, by place in the window; no lines without modules.
Figure position_figure(const InspectedText& side, size_t number);
/// Tables that compare two aligned readings; empty without alignment.
std::vector<Table> comparison_tables(const Inspection& inspection);

/// A token's bytes as text that can be shown: what is no UTF-8 and control characters as \xNN.
std::string visible(const std::string& bytes);

/// One page that needs nothing else.
std::string inspection_as_html(const Inspection& inspection);
/// Every number of the page, token by token.
std::string inspection_as_json(const Inspection& inspection);

}  // namespace sublab
