// Bytes, and SentencePiece trained on the corpora or read from a file.
#include "data/tokenizer.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "data/corpus.h"
#include "data/document_sample.h"

namespace sublab {
namespace {

class BytesTokenizer : public Tokenizer {
 public:
  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size());
    for (const char c : text) ids.push_back(static_cast<uint8_t>(c));
    return ids;
  }
  std::string decode(const std::vector<int32_t>& ids) const override {
    std::string text;
    for (const int32_t id : ids)
      if (id >= 0 && id < 256) text.push_back(static_cast<char>(id));
    return text;
  }
  int64_t vocab_size() const override { return 257; }
  int32_t boundary_id() const override { return 256; }
  std::string content_hash() const override { return "bytes"; }
};

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string model_bytes, const std::string& where)
      : model_bytes_(std::move(model_bytes)) {
    const auto status = processor_.LoadFromSerializedProto(model_bytes_);
    if (!status.ok()) throw UserError(where, "is not a SentencePiece model");
    boundary_ = processor_.bos_id() >= 0 ? processor_.bos_id() : processor_.eos_id();
    if (boundary_ < 0)
      throw UserError(where, "has neither a bos nor an eos piece to mark documents with");
    puts_blank_ = decode(encode("a")) == " a";
  }
  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    // U+2581 is SentencePiece's own sign for a blank: the character itself goes by its bytes.
    constexpr std::string_view kSign = "\xe2\x96\x81";
    size_t at = 0;
    while (true) {
      const size_t sign = text.find(kSign, at);
      const std::string_view part =
          text.substr(at, sign == std::string_view::npos ? sign : sign - at);
      std::vector<int> pieces;
      const auto status = processor_.Encode({part.data(), part.size()}, &pieces);
      if (!status.ok()) throw std::runtime_error("sentencepiece: " + status.ToString());
      ids.insert(ids.end(), pieces.begin(), pieces.end());
      if (sign == std::string_view::npos) return ids;
      for (const char c : kSign) ids.push_back(byte_id(static_cast<uint8_t>(c)));
      at = sign + kSign.size();
    }
  }
  std::string decode(const std::vector<int32_t>& ids) const override {
    std::string text;
    for (const int32_t id : ids) {
      if (id < 0 || id >= vocab_size() || processor_.IsControl(id)) continue;
      if (processor_.IsByte(id)) {
        text.push_back(
            static_cast<char>(std::stoi(processor_.IdToPiece(id).substr(3, 2), nullptr, 16)));
        continue;
      }
      std::string piece = processor_.IdToPiece(id);
      for (size_t at = piece.find("\xe2\x96\x81"); at != std::string::npos;
           at = piece.find("\xe2\x96\x81", at))
        piece.replace(at, 3, " ");
      text += piece;
    }
    return text;
  }
  int64_t vocab_size() const override { return processor_.GetPieceSize(); }
  int32_t boundary_id() const override { return boundary_; }
  std::string text_of(const std::vector<int32_t>& ids) const override {
    std::string text = decode(ids);
    if (puts_blank_ && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }
  std::string content_hash() const override { return short_hash(model_bytes_); }
  std::string model_bytes() const override { return model_bytes_; }

 private:
  int32_t byte_id(uint8_t byte) const {
    char piece[8];
    std::snprintf(piece, sizeof piece, "<0x%02X>", byte);
    return processor_.PieceToId(piece);
  }
  std::string model_bytes_;
  sentencepiece::SentencePieceProcessor processor_;
  int32_t boundary_ = -1;
  bool puts_blank_ = false;  // before every text, as Llama's do
};

constexpr std::string_view kTrained = "sentencepiece:";

int64_t trained_vocab_size(const std::string& spec, const std::string& where) {
  const std::string number = spec.substr(kTrained.size());
  constexpr int64_t kLeast = 300, kMost = 65536;  // 256 byte pieces, specials, and some text
  const bool digits = !number.empty() && number.size() < 8 &&
                      number.find_first_not_of("0123456789") == std::string::npos;
  const int64_t n = digits ? std::stoll(number) : 0;
  if (n < kLeast || n > kMost)
    throw UserError(where, "'" + spec + "': the vocabulary size must be " + std::to_string(kLeast) +
                               " to " + std::to_string(kMost));
  return n;
}

/// Lines of the sample: documents are cut at line ends, so that pieces never span them by accident.
std::vector<std::string> training_lines(const std::vector<std::string>& corpora,
                                        int64_t bytes_per_source) {
  constexpr int64_t kMostPerSource = 600'000;
  const int64_t budget =
      bytes_per_source > 0 ? std::min(bytes_per_source, kMostPerSource) : kMostPerSource;
  std::vector<std::string> lines;
  for (const auto& [text, key, source, place] : sampled_documents(corpora, Split::train, budget)) {
    constexpr size_t kLine = 2000;
    for (size_t at = 0; at < text.size();) {
      size_t end = std::min(at + kLine, text.size());
      while (end < text.size() && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80)
        ++end;  // whole characters
      lines.push_back(text.substr(at, end - at));
      at = end;
    }
  }
  return lines;
}

class LineIterator : public sentencepiece::SentenceIterator {
 public:
  explicit LineIterator(const std::vector<std::string>& lines) : lines_(lines) {}
  bool done() const override { return at_ >= lines_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return lines_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& lines_;
  size_t at_ = 0;
};

std::string train_sentencepiece(int64_t vocab_size, const std::vector<std::string>& lines,
                                const std::string& where) {
  const std::unordered_map<std::string, std::string> options = {
      {"model_type", "unigram"},
      {"vocab_size", std::to_string(vocab_size)},
      {"byte_fallback", "true"},
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"add_dummy_prefix", "false"},
      {"allow_whitespace_only_pieces", "true"},
      {"character_coverage", "0.9995"},
      {"num_threads", "2"},
      {"num_sub_iterations", "1"},
      {"seed_sentencepiece_size", "100000"},
      {"max_sentence_length", "100000"},
      {"hard_vocab_limit", "false"},
      {"minloglevel", "2"}};
  std::string model;
  LineIterator iterator(lines);
  const auto status = sentencepiece::SentencePieceTrainer::Train(options, &iterator, &model);
  if (!status.ok())
    throw UserError(where, "SentencePiece could not be trained: " + status.ToString());
  return model;
}

/// Where the tokenizer that is trained on these corpora is kept.
fs::path trained_path(const std::string& spec, const std::vector<std::string>& corpora,
                      int64_t bytes_per_source) {
  std::string identity = spec + " unigram 1 " + std::to_string(bytes_per_source);
  for (const std::string& name : corpora) identity += " " + read_manifest(name).train.sha256;
  return cache_folder() / "tokenizers" / (short_hash(identity) + ".model");
}

}  // namespace

std::unique_ptr<Tokenizer> bytes_tokenizer() { return std::make_unique<BytesTokenizer>(); }

std::unique_ptr<Tokenizer> sentencepiece_tokenizer(std::string model_bytes,
                                                   const std::string& where) {
  return std::make_unique<SentencePieceTokenizer>(std::move(model_bytes), where);
}

void check_tokenizer_spec(const std::string& spec, const std::string& where) {
  if (spec == "bytes") return;
  if (spec.starts_with(kTrained)) {
    trained_vocab_size(spec, where);
    return;
  }
  if (spec.ends_with(".model")) {
    if (!fs::exists(spec)) throw UserError(where, "there is no file " + spec);
    return;
  }
  throw_unknown_name(where, "tokenizer", spec, {"bytes", "sentencepiece:2048", "PATH.model"});
}

int64_t planned_vocab_size(const std::string& spec) {
  if (spec == "bytes") return bytes_tokenizer()->vocab_size();
  if (spec.starts_with(kTrained)) return trained_vocab_size(spec, "tokenizer");
  return sentencepiece_tokenizer(read_file(spec), spec)->vocab_size();
}

std::unique_ptr<Tokenizer> make_tokenizer(const std::string& spec,
                                          const std::vector<std::string>& corpora,
                                          int64_t bytes_per_source, const std::string& where) {
  check_tokenizer_spec(spec, where);
  if (spec == "bytes") return bytes_tokenizer();
  if (!spec.starts_with(kTrained)) return sentencepiece_tokenizer(read_file(spec), spec);
  const int64_t vocab_size = trained_vocab_size(spec, where);
  const fs::path path = trained_path(spec, corpora, bytes_per_source);
  if (!fs::exists(path)) {  // what is there was renamed there as a whole, and needs no lock
    const FileLock lock(path.string() + ".lock");
    if (!fs::exists(path))
      write_file_durably(
          path, train_sentencepiece(vocab_size, training_lines(corpora, bytes_per_source), where));
  }
  auto tokenizer = sentencepiece_tokenizer(read_file(path), path.string());
  // What models with other settings drop: runs of blanks, line ends, rare characters.
  for (const std::string probe : {" a  b \r\n\n\t", "\xef\xac\x81 \xc2\xa0 \xf0\x9f\x98\x80",
                                  "\x01\x7f", "e\xcc\x81 \xef\xbc\xa1 \xe2\x96\x81 \xe2\x96\x81x"})
    if (tokenizer->text_of(tokenizer->encode(probe)) != probe)
      throw std::logic_error("a trained tokenizer loses text: " + path.string());
  return tokenizer;
}

std::optional<std::string> known_tokenizer_hash(const std::string& spec,
                                                const std::vector<std::string>& corpora,
                                                int64_t bytes_per_source) {
  if (!spec.starts_with(kTrained)) return make_tokenizer(spec, {}, 0, "tokenizer")->content_hash();
  const auto prepared = prepared_corpora();
  for (const std::string& name : corpora)
    if (std::find(prepared.begin(), prepared.end(), name) == prepared.end()) return std::nullopt;
  const fs::path path = trained_path(spec, corpora, bytes_per_source);
  if (!fs::exists(path)) return std::nullopt;
  return sentencepiece_tokenizer(read_file(path), path.string())->content_hash();
}

}  // namespace sublab
