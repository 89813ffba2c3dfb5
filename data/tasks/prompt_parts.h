// What prompts of a given length are made of: pieces of text with their ids, filler without end,
// needles at depths. Ids of a whole are those of its pieces, one after another, so that a prompt is
// laid out by tokens and never tokenized as a whole: 10,000 prompts of 4,096 tokens take seconds.
// A tokenizer gives the same ids for the whole, but where SentencePiece's sums of scores round
// otherwise over a long text; the text is the same in any case.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "core/random.h"
#include "data/tokenizer.h"

namespace sublab {

/// Ids of text that begins with a blank and stands behind other text.
class PieceEncoder {
 public:
  explicit PieceEncoder(const Tokenizer& tokenizer);

  /// Throws std::logic_error for text that begins with no blank: tokens may cross other places.
  std::vector<int64_t> ids(const std::string& text) const;
  /// The same, looked up where it was asked for through remember() before.
  const std::vector<int64_t>* known(const std::string& text) const;
  void remember(const std::string& text);
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  const Tokenizer& tokenizer_;
  size_t n_before_;  // ids of the text that stands before
  std::unordered_map<std::string, std::vector<int64_t>> known_;
};

struct Piece {
  std::string text;
  std::vector<int64_t> ids;
};

/// Sentences, repeated without end; each piece is a word with its blank.
class Filler {
 public:
  using Sentence = std::vector<Piece>;
  /// Sentences may begin with or without a blank. None that is empty is taken.
  Filler(const PieceEncoder& encoder, const std::vector<std::string>& sentences);
  explicit Filler(std::vector<Sentence> sentences) : sentences_(std::move(sentences)) {}
  const Sentence& sentence(size_t i) const { return sentences_[i % sentences_.size()]; }
  size_t n_sentences() const { return sentences_.size(); }
  static int64_t n_tokens(const Sentence& sentence);

 private:
  std::vector<Sentence> sentences_;
};

/// How long a prompt is to be.
struct PromptShape {
  int64_t length = 0;  ///< tokens of prompt and answer together, at most
  int64_t answer_room =
      0;               ///< of these for the answer, or what the right one takes if that is more
  double depth = 0.5;  ///< of what is asked for, where there is one such thing
};

/// Thrown where a prompt of the asked length cannot hold what it must.
struct DoesNotFit {
  int64_t least_length;  ///< that would do, as far as it is known
};

/// A question as it is asked and, in training, answered.
struct Prompt {
  std::string context, question;  ///< the text: what may be shortened, and what stays
  std::vector<int64_t> ids;       ///< boundary, context, question
  size_t n_context = 0;           ///< ids of boundary and context
  std::vector<double> hints;      ///< of each id: 1 for what the answer needs
  std::string answer;             ///< what training teaches behind it; begins with a blank
  std::vector<int64_t> answer_ids;
  std::vector<std::string> references;
  int64_t max_tokens = 0;     ///< room of the answer
  double depth = -1;          ///< of what is asked for, 0 to 1; below 0 = several or none
  int64_t answer_place = -1;  ///< where the answer's first token stands in `ids`; below 0 = unknown
};

/// What is hidden in filler.
struct Needle {
  std::string text;     ///< begins with a blank
  double depth = 0;     ///< 0 = before all filler, 1 = behind it
  bool asked = true;    ///< whether the answer needs it
  size_t value_at = 0;  ///< where in `text` the value begins, at its blank; 0 = unknown
};

/// Puts a prompt together.
class Draft {
 public:
  explicit Draft(const PieceEncoder& encoder) : encoder_(encoder) {
    out_.ids = {encoder.tokenizer().boundary_id()};
    out_.hints = {0};
  }

  /// The first words; no blank before them.
  void open(const std::string& text);
  void add(const std::string& text, bool matters);
  void add(const Piece& piece, bool matters);
  /// Tokens that are left for what lies between the words so far and `question`; throws DoesNotFit
  /// below 0.
  int64_t room(const PromptShape& shape, const std::string& question,
               const std::string& answer) const;
  /// Fills the room with filler, whole words, from sentence `first` on. Needles stand between
  /// sentences, each where its depth of the filler is nearest. Then asks.
  Prompt hide(const PromptShape& shape, const Filler& filler, size_t first,
              std::vector<Needle> needles, const std::string& question, const std::string& answer,
              std::vector<std::string> references);
  /// The question and its answer behind what there is.
  Prompt close(const PromptShape& shape, const std::string& question, const std::string& answer,
               std::vector<std::string> references);

  int64_t n_tokens() const { return static_cast<int64_t>(out_.ids.size()); }

 private:
  void add(const Needle& needle);
  void fill(const Filler& filler, size_t first, int64_t n_filler,
            const std::vector<Needle>& needles);

  const PieceEncoder& encoder_;
  Prompt out_;
};

/// The filler of passkey, variable tracking and the noise haystack (arXiv:2305.16300).
const std::vector<std::string>& noise_sentences();

/// 64 adjectives and 64 nouns; "quiet-river" for a number below 4096.
const std::vector<std::string>& plain_words();
inline constexpr uint64_t kCompounds = 64 * 64;
std::string compound(uint64_t i);
/// `n` different numbers below `below`.
std::vector<uint64_t> distinct_numbers(RandomSequence& random, size_t n, uint64_t below);

}  // namespace sublab
