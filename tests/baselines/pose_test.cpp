// PoSE: what its positions promise over 20,000 draws, and that rows of text keep it.
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

constexpr int64_t kDraws = 20'000;

json pose(int64_t target, json more = json::object()) {
  more.update({{"type", "pose"}, {"target_context_len", target}});
  return more;
}

/// Draws for rows that lie in one long document.
class Draws {
 public:
  Draws(const json& settings, int64_t context_len) : context_len_(context_len) {
    write_text("books", 12, 20'000, 30'000);
    text_.emplace(std::vector<std::string>{"books"});
    sampler_ = make_choice(text_->catalog.data.positions, "positions", settings, "/data/positions",
                           {.seed = 3, .context_len = context_len});
  }

  /// A row that begins at token 100 of document 0; the last place is a label.
  std::vector<RowPiece> pieces(int64_t index, int64_t begin = 100) const {
    return sampler_->row(
        index,
        {{.document = 0, .begin = begin, .end = begin + context_len_ + 1, .starts_row = true}},
        text_->shard);
  }
  std::vector<int64_t> positions(int64_t index, int64_t begin = 100) const {
    std::vector<int64_t> out;
    for (const RowPiece& piece : pieces(index, begin))
      for (int64_t i = 0; i < piece.n_places(); ++i) out.push_back(piece.position + i);
    out.pop_back();
    return out;
  }
  int64_t document_tokens() const { return text_->shard.n_tokens(0); }

 private:
  TemporaryCache cache_;
  int64_t context_len_;
  std::optional<SampledText> text_;
  std::unique_ptr<PositionSampler> sampler_;
};

std::vector<int64_t> first_numbers(int64_t n) {
  std::vector<int64_t> out(n);
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

/// Counts that are drawn with a probability lie within five standard deviations.
void check_count(double count, double probability) {
  const double expected = kDraws * probability;
  CHECK(std::abs(count - expected) < 5 * std::sqrt(expected * (1 - probability)));
}

}  // namespace

TEST_CASE("PoSE's positions: length, start, order, chunks, bound, every distance",
          "[contract][context]") {
  constexpr int64_t kRow = 64, kTarget = 1024;
  for (const json& more : {json{{"chunks", 2}}, json{{"chunks", 3}}, json{{"chunks", 5}},
                           json{{"form", "released"}, {"fixed_across_epochs", false}}}) {
    INFO(more.dump());
    const auto chunks = more.value("chunks", int64_t{2});
    const Draws draws(pose(kTarget, more), kRow);
    RelativeDistances distances(kTarget);
    int64_t n_wrong = 0, most_skips = 0, furthest = 0;
    for (int64_t i = 0; i < kDraws; ++i) {
      distances.add(draws.pieces(i));
      const auto p = draws.positions(i);
      n_wrong += static_cast<int64_t>(p.size()) != kRow || p.front() != 0;
      int64_t skips = 0;
      for (size_t t = 1; t < p.size(); ++t) {
        n_wrong += p[t] <= p[t - 1];
        skips += p[t] != p[t - 1] + 1;
      }
      most_skips = std::max(most_skips, skips);
      furthest = std::max(furthest, p.back());
    }
    CHECK(n_wrong == 0);
    CHECK(most_skips == chunks - 1);
    CHECK(furthest == kTarget - 1);
    const auto counts = distances.counts();
    CHECK(std::count(counts.begin() + 1, counts.end(), 0.0) == 0);
  }
}

TEST_CASE("PoSE with one chunk, or without room, is contiguous", "[contract][context]") {
  for (const auto& [settings, row] :
       {std::pair(pose(1024, {{"chunks", 1}}), int64_t{64}), std::pair(pose(64), int64_t{64}),
        std::pair(pose(64, {{"form", "released"}}), int64_t{64}),
        std::pair(pose(64, {{"chunks", 7}}), int64_t{64})}) {
    INFO(settings.dump());
    const Draws draws(settings, row);
    for (int64_t i = 0; i < 200; ++i) CHECK(draws.positions(i) == first_numbers(row));
  }
}

TEST_CASE("the released form shows a distance as often as its draw says", "[contract][context]") {
  // The second chunk begins u + 1 behind the first one's end, u ~ U{0, ..., 960}; chunks of a and
  // 64 - a tokens show distances u + 1 to u + 63, and those inside a chunk below 64.
  const Draws draws(pose(1024, {{"form", "released"}, {"fixed_across_epochs", false}}), 64);
  std::vector<double> seen(1024);
  std::vector<int64_t> longest_first(65);
  for (int64_t i = 0; i < kDraws; ++i) {
    const auto pieces = draws.pieces(i);
    const auto p = draws.positions(i);
    const int64_t first = pieces.size() > 1 ? pieces.front().n_places() : 64;
    ++longest_first[first];
    for (int64_t d = p[first] - (first - 1); d <= p.back(); ++d) ++seen[d];
  }
  check_count(seen[100], 63.0 / 961);
  check_count(seen[1000], 24.0 / 961);
  check_count(seen[1023], 1.0 / 961);
  for (int64_t n = 1; n <= 32; ++n) check_count(static_cast<double>(longest_first[n]), 1.0 / 32);
  CHECK(std::accumulate(longest_first.begin() + 33, longest_first.end(), int64_t{0}) == 0);
}

TEST_CASE("text after a skip is from further on in its document", "[contract][context]") {
  constexpr int64_t kRow = 64, kBegin = 100;
  for (const auto& [form, reach] :
       {std::pair("paper", int64_t{0}), std::pair("released", 5 * kRow)}) {
    INFO(form);
    const Draws draws(pose(1024, {{"form", form}, {"fixed_across_epochs", false}}), kRow);
    const int64_t end = reach > 0 ? kBegin + reach : draws.document_tokens();
    int64_t furthest = 0, nearest = end;
    for (int64_t i = 0; i < kDraws; ++i) {
      const auto pieces = draws.pieces(i);
      REQUIRE(pieces.size() == 2);
      CHECK(pieces[0].begin == kBegin);
      CHECK(pieces[1].begin >= pieces[0].end);
      CHECK(pieces[0].n_places() + pieces[1].n_places() == kRow + 1);
      furthest = std::max(furthest, pieces[1].end);
      nearest = std::min(nearest, pieces[1].begin - pieces[0].end);
    }
    CHECK(furthest <= end);
    CHECK(furthest > end - (end - kBegin) / 100);
    CHECK(nearest < (end - kBegin) / 100);
  }
  const Draws still(pose(1024, {{"skip_text", false}}), kRow);
  for (int64_t i = 0; i < 100; ++i) CHECK(still.pieces(i)[1].begin == still.pieces(i)[0].end);
}

TEST_CASE("PoSE draws anew for each row, or once for each text", "[contract][context]") {
  const Draws anew(pose(1024), 64), once(pose(1024, {{"form", "released"}}), 64);
  CHECK(anew.positions(1) == anew.positions(1));
  CHECK(anew.positions(1) != anew.positions(2));
  CHECK(once.positions(1) == once.positions(2));
  CHECK(once.positions(1) != once.positions(1, 200));
}

TEST_CASE("rows of text skip in both packings, on any number of workers", "[contract][context]") {
  const TemporaryCache cache;
  write_text("notes", 200, 5, 90);
  const SampledText text({"notes"});
  constexpr int64_t kRow = 48, kTarget = 200;
  for (const bool split : {false, true}) {
    const SampledText::Asked asked{.positions = pose(kTarget, {{"skip_text", false}}),
                                   .context_len = kRow,
                                   .split_at_documents = split};
    SampledText::Asked plain = asked;
    plain.positions = "contiguous";
    const auto usual = text.rows(plain), rows = text.rows(asked), others = text.rows(asked);
    const int64_t n = 3 * rows->rows_per_epoch();
    std::vector<TokenRow> by_workers(n);
    std::vector<std::thread> workers;
    for (int64_t w = 0; w < 3; ++w)
      workers.emplace_back([&, w] {
        for (int64_t i = n - 1 - w; i >= 0; i -= 3) by_workers[i] = others->row(i);
      });
    for (std::thread& worker : workers) worker.join();
    int64_t n_skipping = 0;
    for (int64_t i = 0; i < n; ++i) {
      const TokenRow row = rows->row(i), same_text = usual->row(i);
      CHECK(same(by_workers[i], row));
      CHECK(row.tokens == same_text.tokens);
      CHECK(row.labels == same_text.labels);
      CHECK(row.lengths == same_text.lengths);
      n_skipping += row.positions != same_text.positions;
      int64_t at = 0;
      for (const int64_t length : row.lengths) {  // each document of a row skips by itself
        CHECK(row.positions[at] == 0);
        for (int64_t t = at + 1; t < at + length; ++t)
          CHECK(row.positions[t] > row.positions[t - 1]);
        CHECK(row.positions[at + length - 1] < kTarget);
        at += length;
      }
    }
    CHECK(n_skipping > n * 9 / 10);
  }
}

TEST_CASE("a skip never crosses into another document's text", "[contract][context]") {
  const TemporaryCache cache;
  write_text("notes", 200, 5, 300);
  const SampledText text({"notes"});
  const auto usual = text.rows({.context_len = 48}),
             rows = text.rows({.positions = pose(200), .context_len = 48});
  int64_t n_other_text = 0;
  for (int64_t i = 0; i < rows->rows_per_epoch(); ++i) {
    int64_t places = 0;
    for (const RowPiece& piece : rows->pieces(i)) {
      CHECK(piece.begin >= 0);
      CHECK(piece.end <= text.shard.n_tokens(piece.document));
      CHECK((!piece.boundary || piece.begin == 0));
      places += piece.n_places();
    }
    CHECK(places == 48 + 1);
    n_other_text += rows->row(i).tokens != usual->row(i).tokens;
  }
  CHECK(n_other_text > 10);
}

TEST_CASE("PoSE that cannot be is refused by name", "[unit][context]") {
  const TemporaryCache cache;
  write_text("notes", 60, 5, 90);
  const Catalog catalog = built_in_catalog();
  const auto refused = [&](const json& positions, const json& more = json::object()) {
    json data = {{"corpus", {"notes"}},
                 {"tokenizer", "bytes"},
                 {"context_len", 64},
                 {"positions", positions}};
    data.update(more);
    try {
      resolve_trial({{"data", data}}, "study", catalog);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused(pose(64)) == "");
  CHECK_THAT(refused(pose(32)),
             Contains("study/data/positions/target_context_len: 32 is below data.context_len 64"));
  CHECK_THAT(refused(pose(256, {{"chunks", 65}})),
             Contains("study/data/positions/chunks: 65 chunks are more than data.context_len 64"));
  CHECK_THAT(refused("pose"), Contains("/target_context_len: must be given"));
  CHECK_THAT(refused(pose(256, {{"chunks", 3}, {"form", "released"}})),
             Contains("the released form has 2 chunks"));
  CHECK_THAT(refused(pose(256, {{"from", "papr"}})), Contains("did you mean 'form'?"));
  CHECK_THAT(
      refused(pose(256), {{"train_on", "recall"}}),
      Contains("study/data/positions: 'pose' has no effect on rows of data.train_on recall"));
  const auto resolved = [&](const json& positions) {
    return resolve_choice(catalog.data.positions, "positions", positions, "", "");
  };
  CHECK(resolved(pose(256)).at("fixed_across_epochs") == false);
  CHECK(resolved(pose(256, {{"form", "released"}})).at("fixed_across_epochs") == true);
}
