// Text to ids and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sublab {

/// Thread-safe once made.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  virtual std::string decode(const std::vector<int32_t>& ids) const = 0;
  virtual int64_t vocab_size() const = 0;
  /// Stands before every document; never made by encode().
  virtual int32_t boundary_id() const = 0;
  /// The text that all ids of a text stand for: decode() without a blank that the tokenizer itself
  /// puts before every text. Bits per byte need text_of(encode(x)) == x.
  virtual std::string text_of(const std::vector<int32_t>& ids) const { return decode(ids); }
  /// Identifies the mapping: two tokenizers with the same hash make the same ids.
  virtual std::string content_hash() const = 0;
  /// The bytes of the .model file that it comes from; empty for `bytes`.
  virtual std::string model_bytes() const { return {}; }
};

/// One id per byte; id 256 is the boundary.
std::unique_ptr<Tokenizer> bytes_tokenizer();

/// A SentencePiece model from the bytes of its .model file. Throws UserError at `where`.
std::unique_ptr<Tokenizer> sentencepiece_tokenizer(std::string model_bytes,
                                                   const std::string& where);

/// Checks the form of a specification: 'bytes', 'sentencepiece:N' or the path of a .model file.
void check_tokenizer_spec(const std::string& spec, const std::string& where);

/// How many ids the tokenizer of a sound specification will have, without making it.
int64_t planned_vocab_size(const std::string& spec);

/// The tokenizer of a specification. 'sentencepiece:N' is trained on the train split of `corpora`
/// (at most `bytes_per_source` of each; byte fallback, identity normalisation, no white space
/// removed) and kept under <cache>/tokenizers by what it was trained on. Throws UserError.
std::unique_ptr<Tokenizer> make_tokenizer(const std::string& spec,
                                          const std::vector<std::string>& corpora,
                                          int64_t bytes_per_source, const std::string& where);

/// content_hash() of the tokenizer that make_tokenizer would give, without training one: nothing
/// where it would have to be trained, or a corpus is not prepared.
std::optional<std::string> known_tokenizer_hash(const std::string& spec,
                                                const std::vector<std::string>& corpora,
                                                int64_t bytes_per_source);

}  // namespace sublab
