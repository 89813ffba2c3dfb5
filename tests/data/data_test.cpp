// Corpora, shards, packing and tokenizers.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>

#include "core/random.h"
#include "data/corpus.h"
#include "data/packing.h"
#include "data/sources/sources.h"
#include "data/trigram.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

std::string words(uint64_t seed, int n) {
  static const char* const list[] = {"the", "token",   "goes", "through", "every", "layer",
                                     "and", "returns", "late", "or\n",    "not.  "};
  RandomSequence random(seed);
  std::string out;
  for (int i = 0; i < n; ++i) out += std::string(list[random.below(11)]) + " ";
  return out;
}

/// A corpus `name` of `n` documents of very different length.
void make_corpus(const std::string& name, int n, uint64_t seed = 1) {
  CorpusManifest manifest;
  manifest.name = name;
  manifest.origin = "test";
  write_corpus(manifest, [&](const std::function<void(std::string)>& add) {
    for (int i = 0; i < n; ++i) add(words(seed * 1000 + i, 5 + i % 97));
    add(words(seed * 1000, 5));  // a duplicate of the first
  });
}

}  // namespace

TEST_CASE("a corpus drops duplicates and keeps each document in one split", "[unit]") {
  const TemporaryCache cache;
  make_corpus("mine", 400);
  const CorpusManifest manifest = read_manifest("mine");
  CHECK(manifest.duplicates_dropped == 1);
  CHECK(manifest.train.documents + manifest.validation.documents + manifest.test.documents == 400);
  CHECK(manifest.validation.documents > 5);
  std::set<uint64_t> seen;
  for (const Split split : kSplits)
    read_documents("mine", split, [&](std::string_view text) {
      CHECK(split_of(document_key(text)) == split);
      CHECK(seen.insert(document_key(text)).second);
    });
  CHECK(seen.size() == 400);
}

TEST_CASE("missing and damaged corpora say what to do", "[unit]") {
  const TemporaryCache cache;
  CHECK_THROWS_WITH(read_manifest("gcide"),
                    Contains("is not prepared; run: sublab corpus prepare gcide"));
  CHECK_THROWS_WITH(read_manifest("gcdie"), Contains("did you mean 'gcide'?"));
  CHECK_THROWS_WITH(read_manifest("../etc"), Contains("allowed: 1 to 64"));
  make_corpus("mine", 50);
  const fs::path path = corpus_folder("mine") / "train.docs";
  std::string bytes = read_file(path);
  bytes[bytes.size() / 2] ^= 1;
  write_file_durably(path, bytes);
  CHECK_THROWS_WITH(read_documents("mine", Split::train, [](std::string_view) {}),
                    Contains("is damaged") && Contains("corpus import"));
  fs::remove(path);
  CHECK_THROWS_WITH(read_documents("mine", Split::train, [](std::string_view) {}),
                    Contains("is missing"));
}

TEST_CASE("import refuses what is no text", "[unit]") {
  const TemporaryCache cache;
  const TemporaryFolder folder;
  const auto file = [&](const std::string& name, const std::string& text) {
    write_file_durably(folder.path / name, text);
    return folder.path / name;
  };
  CHECK_THROWS_WITH(import_corpus(file("e.txt", ""), "e"), Contains("is empty"));
  CHECK_THROWS_WITH(import_corpus(file("b.txt", std::string("a\0b", 3)), "b"),
                    Contains("binary file"));
  CHECK_THROWS_WITH(import_corpus(file("u.txt", "ab\xff"), "u"),
                    Contains("is not UTF-8 at byte 2"));
  CHECK_THROWS_WITH(import_corpus(file("l.jsonl", "{\"text\": \"x\"}\n{\"txt\": 1}"), "l"),
                    Contains("l.jsonl:2: expected an object"));
  CHECK_THROWS_WITH(import_corpus(folder.path / "nowhere", "n"), Contains("does not exist"));
  CHECK_THROWS_WITH(import_corpus(file("g.txt", "hello"), "gcide"), Contains("built-in source"));
  CHECK_THROWS_WITH(import_corpus(file("g.txt", "hello"), "A b"), Contains("allowed"));
  CHECK_FALSE(fs::exists(corpus_folder("b")));
  const auto manifest =
      import_corpus(
          file("good.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n{\"text\": \"one\"}"),
          "good")
          .manifest;
  CHECK(manifest.train.documents + manifest.validation.documents + manifest.test.documents == 2);
  ::chmod(cache.path.c_str(), 0500);
  if (::access(cache.path.c_str(), W_OK) != 0)
    CHECK_THROWS_WITH(import_corpus(file("x.txt", "x"), "x"), Contains("cannot"));
  ::chmod(cache.path.c_str(), 0700);
}

TEST_CASE("mark-up is taken off", "[unit]") {
  CHECK(clean_rst(".. SPDX-License-Identifier: GPL-2.0\n\nTitle\n=====\n\nSee :ref:`the doc <x>` "
                  "and ``code``.\n\n.. function:: f(x)\n\n   Does *it*.\n") ==
        "Title\n\nSee the doc and code.\n\nf(x)\n\n   Does *it*.\n");
  CHECK(clean_pod("=head1 NAME\n\nperl - C<< a->b >> and L<text|target> E<lt>\n\n=head1 "
                  "AUTHOR\n\nsomebody\n\n=head1 MORE\n\nx\n") ==
        "NAME\n\nperl - a->b and text <\n\nMORE\n\nx\n");
  CHECK(clean_markdown("# Head\n\nA [link](http://x.y) and **bold** text\\.\n") ==
        "Head\n\nA link and bold text.\n");
  CHECK(clean_plain("git-x(1)\n========\n\nsee linkgit:git-add[1]\n\n[[anchor]]\n") ==
        "git-x(1)\n\nsee git-add(1)\n");
}

TEST_CASE("tokenizers give text back byte for byte", "[unit]") {
  const TemporaryCache cache;
  make_corpus("mine", 600);
  std::vector<std::unique_ptr<Tokenizer>> tokenizers;
  tokenizers.push_back(bytes_tokenizer());
  tokenizers.push_back(make_tokenizer("sentencepiece:320", {"mine"}, 0, "t"));
  RandomSequence random(3, "text");
  for (const auto& tokenizer : tokenizers) {
    for (const std::string text : {"", " ", "  a\n\n\tb \r\n", "\xe2\x96\x81x \xe2\x96\x81",
                                   "na\xc3\xafve \xf0\x9f\x98\x80", "<s> </s> <0x41>"})
      CHECK(tokenizer->text_of(tokenizer->encode(text)) == text);
    for (int i = 0; i < 200; ++i) {
      std::string text;
      for (int k = 0; k < 40; ++k) {
        const auto code = static_cast<uint32_t>(random.below(4) == 0 ? random.below(0xd000) + 1
                                                                     : 32 + random.below(90));
        if (code < 0x80)
          text += static_cast<char>(code);
        else if (code < 0x800)
          (text += static_cast<char>(0xc0 | code >> 6)) += static_cast<char>(0x80 | (code & 63));
        else
          ((text += static_cast<char>(0xe0 | code >> 12)) +=
           static_cast<char>(0x80 | (code >> 6 & 63))) += static_cast<char>(0x80 | (code & 63));
      }
      CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
      for (const int32_t id : tokenizer->encode(text)) CHECK(id != tokenizer->boundary_id());
    }
  }
  CHECK(make_tokenizer("sentencepiece:320", {"mine"}, 0, "t")->content_hash() ==
        tokenizers[1]->content_hash());
  CHECK_THROWS_WITH(check_tokenizer_spec("sentencpiece:2048", "w"),
                    Contains("did you mean 'sentencepiece:2048'?"));
  CHECK_THROWS_WITH(check_tokenizer_spec("sentencepiece:10", "w"), Contains("must be 300 to"));
  CHECK_THROWS_WITH(check_tokenizer_spec("none.model", "w"), Contains("there is no file"));
  CHECK_THROWS_WITH(sentencepiece_tokenizer("rubbish", "w"),
                    Contains("is not a SentencePiece model"));
}

TEST_CASE("rows cover every token of an epoch once, whatever index is asked first", "[unit]") {
  const TemporaryCache cache;
  make_corpus("mine", 300);
  const auto tokenizer = bytes_tokenizer();
  const TokenShard shard = open_shard({"mine"}, Split::train, *tokenizer, 0);
  const auto documents = training_documents(shard, 0);
  for (const bool split : {false, true}) {
    const PackedDocuments rows(shard, documents, tokenizer->boundary_id(), tokenizer->vocab_size(),
                               64, split, 5, plain_sampling().make(json::object(), {.seed = 5}),
                               contiguous_positions().make(json::object(), {}));
    const PackedDocuments again(shard, documents, tokenizer->boundary_id(), tokenizer->vocab_size(),
                                64, split, 5, plain_sampling().make(json::object(), {.seed = 5}),
                                contiguous_positions().make(json::object(), {}));
    // Which token of which document a row predicts is told by counting them all.
    std::map<int64_t, int64_t> predicted, expected;
    for (int64_t i = 0; i < rows.rows_per_epoch(); ++i) {
      const TokenRow row = rows.row(i);
      REQUIRE(row.tokens.size() == 64);
      CHECK(std::accumulate(row.lengths.begin(), row.lengths.end(), int64_t{0}) == 64);
      CHECK(std::equal(row.tokens.begin() + 1, row.tokens.end(), row.labels.begin()));
      for (const int64_t label : row.labels) ++predicted[label];
      int64_t at = 0;
      for (const int64_t length : row.lengths) {
        CHECK(row.positions[at] == 0);
        if (split && at > 0) CHECK(row.tokens[at] == tokenizer->boundary_id());
        at += length;
      }
    }
    for (int64_t t = 0; t < shard.n_tokens(); ++t) ++expected[shard.token(t)];
    expected[tokenizer->boundary_id()] =
        shard.n_documents() - 1;  // the first one stands unpredicted
    int64_t missing = 0;
    for (const auto& [id, n] : expected) {
      CHECK(predicted[id] <= n);
      missing += n - predicted[id];
    }
    CHECK(missing < 64);  // the remainder of the stream
    const int64_t later = rows.rows_per_epoch() + 3;
    CHECK(again.row(later).tokens == rows.row(later).tokens);
    CHECK(again.row(1).tokens == rows.row(1).tokens);
    CHECK(rows.row(later).tokens != rows.row(3).tokens);
  }
  CHECK(training_documents(shard, 1000).size() < documents.size());
}

TEST_CASE("windows score every token once and never more than they hold", "[unit]") {
  for (const int64_t n : {0, 1, 2, 63, 64, 65, 200})
    for (const auto& [window, stride] :
         std::vector<std::pair<int64_t, int64_t>>{{64, 32}, {64, 64}, {64, 1}, {1, 1}, {300, 7}}) {
      std::vector<int> scored(n, 0);
      for (const Window& w : windows(n, window, stride)) {
        CHECK(w.end - w.begin <= window);
        CHECK(w.begin >= -1);
        for (int64_t place = std::max(w.begin, w.first_scored - 1); place < w.end; ++place)
          ++scored.at(place + 1);
      }
      CHECK(std::all_of(scored.begin(), scored.end(), [](int times) { return times == 1; }));
    }
}

TEST_CASE("a shard that was damaged is refused, by one bit too", "[unit]") {
  const TemporaryCache cache;
  make_corpus("mine", 100);
  const auto tokenizer = bytes_tokenizer();
  open_shard({"mine"}, Split::train, *tokenizer, 0);
  fs::path path;
  for (const auto& entry : fs::directory_iterator(cache.path / "shards"))
    if (entry.path().extension() == ".tokens") path = entry.path();
  const std::string whole = read_file(path);
  const auto check_damaged = [&](const std::string& bytes) {
    write_file_durably(path, bytes);
    CHECK_THROWS_WITH(open_shard({"mine"}, Split::train, *tokenizer, 0),
                      Contains("is damaged; delete it"));
  };
  check_damaged(whole.substr(0, whole.size() - 2));
  for (const size_t place : {size_t{40}, whole.size() / 2, whole.size() - 1}) {
    std::string other = whole;
    other[place] ^= 1;
    check_damaged(other);
  }
  write_file_durably(path, whole);
  CHECK_NOTHROW(open_shard({"mine"}, Split::train, *tokenizer, 0));
}

TEST_CASE("the trigram is a distribution, and finds the entropy of a Markov source", "[unit]") {
  constexpr int64_t kVocab = 12;
  RandomSequence random(9);
  std::vector<std::vector<int64_t>> documents;
  // The next symbol is last + 1 or last + 2, evenly: ln 2 per token.
  for (int d = 0; d < 200; ++d) {
    std::vector<int64_t> document{static_cast<int64_t>(random.below(kVocab))};
    for (int i = 0; i < 200; ++i)
      document.push_back((document.back() + 1 + static_cast<int64_t>(random.below(2))) % kVocab);
    documents.push_back(document);
  }
  const InterpolatedTrigram trigram(documents, kVocab, kVocab);
  for (const auto& [u, v] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {kVocab, kVocab}, {5, 2}}) {
    double sum = 0;
    for (int64_t w = 0; w < kVocab; ++w) sum += trigram.probability(u, v, w);
    CHECK(sum == Approx(1).epsilon(1e-9));
  }
  CHECK(trigram.loss_nats(documents[3]) / 201 == Approx(std::log(2.0)).epsilon(0.05));
}
