// Samplers of documents: what each promises of an epoch, and what they refuse.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <thread>

#include "data/training_text.h"
#include "experiments/plan/resolve.h"
#include "tests/baselines/sampled_text.h"

using namespace sublab;
using Catch::Contains;

namespace {

constexpr int64_t kLong = 200;

json with_type(const char* type, json settings = json::object()) {
  settings["type"] = type;
  return settings;
}

json by_length(double probability, json more = json::object()) {
  more.update({{"long_document_tokens", kLong}, {"short_document_probability", probability}});
  return with_type("length_upsampling", more);
}

/// Two corpora, the second with longer documents.
struct TwoSources {
  TwoSources() {
    write_text("mails", 500, 20, 260);
    write_text("books", 200, 50, 900);
    text.emplace(std::vector<std::string>{"mails", "books"});
  }
  /// Tokens of each source and of long documents in an epoch.
  SourceTokens epoch(const json& sampling, int64_t number = 0) const {
    SourceTokens out;
    for (const DocumentSpan& span :
         text->sampler({.sampling = sampling})->epoch(text->shard, text->documents, number))
      out.add(text->shard.source(span.document), span.end - span.begin >= kLong,
              static_cast<double>(span.end - span.begin));
    return out;
  }
  double longest(int64_t source) const {
    int64_t out = 0;
    for (const int64_t d : text->documents)
      if (text->shard.source(d) == source) out = std::max(out, text->shard.n_tokens(d));
    return static_cast<double>(out);
  }

  TemporaryCache cache;
  std::optional<SampledText> text;
};

}  // namespace

TEST_CASE("length upsampling keeps the mixture within a document of each source",
          "[contract][context]") {
  const TwoSources of;
  const SourceTokens before = of.epoch("plain");
  for (const json& mixture : {json("natural"), json("uniform"), json{{"mails", 3}, {"books", 1}}})
    for (const double probability : {1.0, 0.3, 0.05})
      for (const int64_t epoch : {0, 1, 5}) {
        INFO(mixture.dump() << " " << probability << " " << epoch);
        const SourceTokens after = of.epoch(by_length(probability, {{"mixture", mixture}}), epoch);
        const double share = mixture == "natural"   ? before.all[0] / before.total()
                             : mixture == "uniform" ? 0.5
                                                    : 0.75;
        // There is a total of which each source has its share, within a document of its own.
        const double most = std::min((after.all[0] + of.longest(0)) / share,
                                     (after.all[1] + of.longest(1)) / (1 - share));
        CHECK((after.all[0] - of.longest(0)) / share <= most);
        CHECK((after.all[1] - of.longest(1)) / (1 - share) <= most);
        CHECK(after.total() > 0.02 * before.total());
      }
}

TEST_CASE("the fewer short documents, the more tokens are of long ones", "[contract][context]") {
  const TwoSources of;
  for (const char* type : {"length_upsampling", "global_upsampling"}) {
    double last = 0;
    for (const double probability : {1.0, 0.7, 0.4, 0.2, 0.1, 0.0}) {
      INFO(type << " " << probability);
      SourceTokens sum;
      json sampling = by_length(probability);
      sampling["type"] = type;
      for (int64_t epoch = 0; epoch < 10; ++epoch) {
        const SourceTokens one = of.epoch(sampling, epoch);
        for (size_t s = 0; s < 2; ++s) {
          sum.add(static_cast<int64_t>(s), true, one.of_long[s]);
          sum.add(static_cast<int64_t>(s), false, one.all[s] - one.of_long[s]);
        }
      }
      const double share = sum.total_of_long() / sum.total();
      CHECK(share >= last);
      last = share;
    }
    CHECK(last == 1);  // with probability 0 there are no others
  }
}

TEST_CASE("what leaves nothing out is plain packing, to the byte", "[contract][context]") {
  const TwoSources of;
  const auto plain = of.text->rows({});
  for (const json& sampling : {by_length(1),
                               with_type("global_upsampling", {{"short_document_probability", 1},
                                                               {"long_document_tokens", kLong}}),
                               with_type("cut", {{"document_tokens", 100'000}}),
                               with_type("domain_upsampling", {{"mixture", "natural"}})}) {
    INFO(sampling.dump());
    const auto rows = of.text->rows({.sampling = sampling});
    REQUIRE(rows->rows_per_epoch() == plain->rows_per_epoch());
    int64_t n_different = 0;
    for (int64_t i = 0; i < 2 * plain->rows_per_epoch() + 3; ++i)
      n_different += !same(rows->row(i), plain->row(i));
    CHECK(n_different == 0);
  }
}

TEST_CASE("rows put together are the stream of the documents that were taken",
          "[contract][context]") {
  const TwoSources of;
  constexpr int64_t kRow = 32;
  for (const json& sampling :
       {by_length(0.2), with_type("cut", {{"document_tokens", 50}}), with_type("domain_upsampling"),
        with_type("global_upsampling", {{"long_document_tokens", kLong}})}) {
    INFO(sampling.dump());
    const auto rows = of.text->rows({.sampling = sampling, .context_len = kRow});
    const auto sampler = of.text->sampler({.sampling = sampling, .context_len = kRow});
    int64_t first = 0;
    for (int64_t epoch = 0; epoch < 3; ++epoch) {  // each draws anew, and is as long as it comes
      std::vector<int64_t> stream;
      for (const DocumentSpan& span : sampler->epoch(of.text->shard, of.text->documents, epoch)) {
        stream.push_back(of.text->tokenizer->boundary_id());
        const int64_t begin = of.text->shard.begin(span.document);
        for (int64_t t = begin + span.begin; t < begin + span.end; ++t)
          stream.push_back(of.text->shard.token(t));
      }
      std::vector<std::vector<int64_t>> expected, got;
      const int64_t n = (static_cast<int64_t>(stream.size()) - 1) / kRow;
      for (int64_t i = 0; i < n; ++i) {
        expected.emplace_back(stream.begin() + i * kRow, stream.begin() + (i + 1) * kRow + 1);
        TokenRow row = rows->row(first + i);
        row.tokens.push_back(row.labels.back());
        got.push_back(row.tokens);
      }
      std::sort(expected.begin(), expected.end()), std::sort(got.begin(), got.end());
      CHECK(got == expected);
      first += n;
    }
    CHECK(rows->row(first + 1).tokens.size() == kRow);
  }
}

TEST_CASE("later epochs draw short documents anew, and all long ones again",
          "[contract][context]") {
  const TwoSources of;
  const auto sampler = of.text->sampler(
      {.sampling = with_type("global_upsampling", {{"long_document_tokens", kLong}})});
  std::map<int64_t, int64_t> times;
  constexpr int64_t kEpochs = 40;
  for (int64_t epoch = 0; epoch < kEpochs; ++epoch)
    for (const DocumentSpan& span : sampler->epoch(of.text->shard, of.text->documents, epoch))
      ++times[span.document];
  double n_short = 0, n_taken = 0;
  for (const int64_t d : of.text->documents) {
    if (of.text->shard.n_tokens(d) >= kLong) {
      CHECK(times[d] == kEpochs);
    } else {
      ++n_short, n_taken += static_cast<double>(times[d]);
    }
  }
  const double expected = 0.1 * n_short * kEpochs;
  CHECK(std::abs(n_taken - expected) < 5 * std::sqrt(expected));
}

TEST_CASE("a seed gives the same chunks on any number of workers", "[contract][context]") {
  const TwoSources of;
  for (const json& sampling : {by_length(0.2), with_type("cut", {{"document_tokens", 50}}),
                               with_type("domain_upsampling")}) {
    const SampledText::Asked asked{.sampling = sampling};
    const auto alone = of.text->rows(asked), shared = of.text->rows(asked);
    const int64_t n = 2 * alone->rows_per_epoch() + 5;
    std::vector<TokenRow> by_workers(n);
    std::vector<std::thread> workers;
    for (int64_t w = 0; w < 4; ++w)
      workers.emplace_back([&, w] {
        const auto own = of.text->rows(asked);  // half of them have rows of their own
        for (int64_t i = w; i < n; i += 4) by_workers[i] = (w % 2 ? *own : *shared).row(i);
      });
    for (std::thread& worker : workers) worker.join();
    int64_t n_different = 0;
    for (int64_t i = 0; i < n; ++i) n_different += !same(by_workers[i], alone->row(i));
    CHECK(n_different == 0);
    const auto other = of.text->rows({.sampling = sampling, .seed = 2});
    CHECK_FALSE(same(other->row(0), alone->row(0)));
  }
}

TEST_CASE("what rows hold is counted: sources and long documents, before and after",
          "[contract][context]") {
  const TwoSources of;
  const auto rows = of.text->rows(
      {.sampling = by_length(0.1), .positions = {{"type", "pose"}, {"target_context_len", 64}}});
  const SourceTokens before = tokens_before_sampling(*rows), whole = of.epoch("plain");
  CHECK(before.all == whole.all);
  CHECK(before.of_long == whole.of_long);
  const SourceTokens epoch = of.epoch(by_length(0.1)),
                     after = tokens_of_rows(*rows, rows->rows_per_epoch());
  for (size_t s = 0; s < 2; ++s) {  // all but the remainder of the stream
    CHECK(after.all[s] <= epoch.all[s]);
    CHECK(after.all[s] > epoch.all[s] - 32);
    CHECK(after.of_long[s] > epoch.of_long[s] - 32);
  }
  CHECK(after.total_of_long() / after.total() > 1.3 * before.total_of_long() / before.total());
  const auto parts = of.text->rows({.sampling = with_type("cut", {{"document_tokens", 20}})});
  CHECK(tokens_of_rows(*parts, 100).total_of_long() == 0);  // a part counts by its own length
  CHECK(tokens_before_sampling(*parts).total_of_long() > 0);
}

TEST_CASE("sampling that cannot be is refused by name", "[unit][context]") {
  const TwoSources of;
  const auto refused = [&](const json& sampling, const json& more = json::object()) {
    json data = {{"corpus", {"mails", "books"}}, {"tokenizer", "bytes"}, {"sampling", sampling}};
    data.update(more);
    try {
      resolve_trial({{"data", data}}, "study", of.text->catalog);
      of.text->rows({.sampling = sampling});
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused(by_length(0.1)) == "");
  json longer = by_length(0.1);
  longer["long_document_tokens"] = 270;
  CHECK_THAT(refused(longer), Contains("/data/sampling/long_document_tokens: source 'mails' has 0 "
                                       "documents of 270 tokens or more, of ") &&
                                  Contains("min_long_documents asks for 1"));
  longer["min_long_documents"] = 0;
  CHECK(refused(longer) == "");
  longer["short_document_probability"] = 0;
  CHECK_THAT(refused(longer), Contains("source 'mails' has a share of the mixture, and no document "
                                       "was taken of it"));
  CHECK_THAT(refused(with_type("global_upsampling", {{"long_document_tokens", 5000}})),
             Contains("data.corpus has 0 documents of 5000 tokens or more"));
  CHECK_THAT(refused(by_length(0.1, {{"mixture", {{"mails", 1}, {"boks", 1}}}})),
             Contains("study/data/sampling/mixture: unknown source 'boks'; did you mean 'books'?"));
  CHECK_THAT(refused(by_length(0.1, {{"mixture", {{"mails", 1}}}})), Contains("lacks 'books'"));
  CHECK_THAT(refused(by_length(0.1, {{"mixture", "naturl"}})), Contains("did you mean 'natural'?"));
  CHECK_THAT(refused(by_length(0.1, {{"mixture", {{"mails", 0}, {"books", 0}}}})),
             Contains("has no weight above 0"));
  CHECK_THAT(refused(by_length(1.5)), Contains("short_document_probability"));
  for (const char* type : {"length_upsampling", "cut", "global_upsampling", "domain_upsampling"})
    CHECK_THAT(refused(type, {{"train_on", "recall"}}),
               Contains("study/data/sampling: '" + std::string(type) +
                        "' has no effect on rows of data.train_on recall"));
}
