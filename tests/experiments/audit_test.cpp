// The audit catches models that look ahead, and has nothing to say of sound ones.
#include "experiments/audit/audit.h"

#include <catch2/catch.hpp>

#include "experiments/audit/audit_places.h"
#include "experiments/train/train.h"
#include "tests/experiments/cut_dependent_model.h"
#include "tests/experiments/leaky_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

using Make = std::function<std::unique_ptr<LanguageModel>()>;

template <class Model, class... Arguments>
Make maker(Arguments... arguments) {
  return [=] { return std::make_unique<Model>(arguments...); };
}

AuditReport audited(const Make& make) { return audit_model({make}, AuditSettings{}); }

AuditCheck named(const AuditReport& report, const std::string& name, const std::string& weights) {
  for (const AuditCheck& check : report.checks)
    if (check.name == name && check.weights == weights) return check;
  throw std::runtime_error("no check " + name);
}

const json kSmallSubllm = {{"architecture", "subllm"}, {"structure", "T(TT)T"}, {"retention", 0.5}};

}  // namespace

TEST_CASE("models that look ahead are caught", "[contract]") {
  const Make top_k = [] {
    json config = kSmallSubllm;
    config["evaluate_selector"] = "top_k";
    return small_model(config);
  };
  const Make quantile = [] { return median_scorer(); };
  const std::vector<std::pair<const char*, Make>> leaky = {
      {"attention without a mask", maker<Unmasked>()},
      {"top-k in evaluation", top_k},
      {"mean of the row", maker<RowMean>()},
      {"scale of the row", maker<RowScale>()},
      {"mean pool of 2", maker<MeanPool>(2, false)},
      {"mean pool of 3", maker<MeanPool>(3, false)},
      {"mean pool of 4", maker<MeanPool>(4, false)},
      {"a little of the next token", maker<NextToken>(1e-7)},
      {"next token behind a closed gate", maker<ClosedGate>()},
      {"last token reaches the first", maker<LongDistance>()},
      {"sums from the end", maker<Backwards>()},
      {"quota over the row", [] { return quota_over_row(); }},
      {"median of the row", quantile}};
  for (const auto& [name, make] : leaky) {
    INFO(name);
    for (const AuditSettings& settings : {AuditSettings{}, AuditSettings::brief()})
      CHECK_THAT(audit_model({make}, settings).verdict, Contains("leaks(position"));
  }
}

TEST_CASE("leaks that show in long rows alone are caught", "[contract]") {
  const auto verdict = [](const Make& make, std::vector<int64_t> borders, int64_t context_len) {
    AuditSubject subject{make};
    subject.borders = std::move(borders);
    subject.context_len = context_len;
    return audit_model(subject, AuditSettings::brief()).verdict;
  };
  for (const int64_t from : {64, 128, 256}) {
    INFO(from);
    const Make late = maker<LateLeak>(from, 1 << 20), border = maker<ChunkBorderLeak>(from);
    CHECK_THAT(verdict(late, {}, from), Contains("leaks(position " + std::to_string(from)));
    CHECK_THAT(verdict(late, {}, 256), Contains("leaks(position"));
    CHECK_THAT(verdict(late, {from}, 0), Contains("leaks(position"));
    CHECK_THAT(verdict(border, {}, 256), Contains("leaks(position " + std::to_string(from - 1)));
  }
  // At the context's end, and where a chunk is no power of two or lies far beyond the context.
  CHECK_THAT(verdict(maker<LateLeak>(100, 101), {}, 100), Contains("leaks(position 100"));
  CHECK_THAT(verdict(maker<LateLeak>(99, 100), {}, 100), Contains("leaks(position 99"));
  CHECK_THAT(verdict(maker<ChunkBorderLeak>(90), {90}, 100), Contains("leaks(position 89"));
  CHECK_THAT(verdict(maker<ChunkBorderLeak>(768), {768}, 100), Contains("leaks(position 767"));
  CHECK(verdict(maker<Mixed>(), {90, 512}, 100) == "causal");
}

TEST_CASE("whole numbers among a model's settings are borders, its widths are none", "[unit]") {
  const json model = {{"d_model", 640},
                      {"n_layers", 12},
                      {"rope_theta", 1000},
                      {"segment", 90},
                      {"kv_policy", {{"type", "some"}, {"recent", 33}}},
                      {"factor", 100.5},
                      {"few", 7},
                      {"far", 5000}};
  CHECK(borders_of(model) == std::vector<int64_t>{16, 32, 33, 64, 90, 128, 192, 256, 512, 768});
}

TEST_CASE("each question passes the borders", "[contract]") {
  for (const Make& make : {maker<ChunkBorderLeak>(90), maker<ChunkBorderLeak>(300)}) {
    AuditSubject subject{make};
    subject.borders = {90, 300};
    subject.context_len = 100;
    const AuditReport report = audit_model(subject, AuditSettings::brief());
    CHECK(report.longest_row == 300 + AuditPlaces::kPast);
    CHECK(report.borders == std::vector<int64_t>{16, 32, 64, 90, 100, 300});
    for (const char* name : {"suffix replacement", "gradient reach", "prefix = whole row"})
      for (const char* weights : {"as given", "with noise"}) {
        INFO(name << ", " << weights);
        CHECK_FALSE(named(report, name, weights).passed);
      }
  }
}

TEST_CASE("top-k that drops next to nothing is caught, with and without noise", "[contract]") {
  for (const double retention : {0.98, 0.99}) {
    INFO(retention);
    json config = kSmallSubllm;
    config["retention"] = retention;
    const auto verdict = [&](const char* selector) {
      config["evaluate_selector"] = selector;
      return audit_model({[config] { return small_model(config); }}, AuditSettings::brief());
    };
    const AuditReport leaks = verdict("top_k");
    CHECK_THAT(leaks.verdict, Contains("leaks(position"));
    for (const char* weights : {"as given", "with noise"})
      CHECK_FALSE(named(leaks, "suffix replacement", weights).passed);
    CHECK(verdict("threshold").verdict == "causal");
  }
}

TEST_CASE("noise finds a leak beside a logit that hides it", "[contract]") {
  const AuditReport report = audited(maker<HugeLogit>());
  CHECK(named(report, "suffix replacement", "as given").passed);
  CHECK_FALSE(named(report, "suffix replacement", "with noise").passed);
  CHECK_THAT(report.verdict, Contains("leaks(position"));
}

TEST_CASE("a leak says where and how much", "[contract]") {
  const AuditReport report = audited(maker<LongDistance>());
  CHECK_THAT(report.verdict, Contains("leaks(position 0, margin "));
  const AuditCheck check = named(report, "suffix replacement", "as given");
  CHECK_FALSE(check.passed);
  CHECK(check.margin > 1e-8);
  CHECK(check.margin < 1e-3);
  CHECK_FALSE(report.as_expected());
  CHECK(audit_model({maker<LongDistance>(), "leaks"}, AuditSettings{}).as_expected());
  CHECK_FALSE(audit_model({maker<Mixed>(), "leaks"}, AuditSettings{}).as_expected());
}

TEST_CASE("noise opens closed gates", "[contract]") {
  for (const AuditCheck& check : audited(maker<ClosedGate>()).checks)
    if (check.weights == "as given") CHECK(check.passed);
  AuditSettings quiet;
  quiet.noise = false;
  CHECK(audit_model({maker<ClosedGate>()}, quiet).verdict == "causal");
}

TEST_CASE("modes and rows that disagree are caught", "[contract]") {
  CHECK(audited(maker<Neighbour>()).verdict == "inconsistent(rows independent)");
  for (const Make& make : {maker<OtherStep>(), maker<WrongSingleStep>()}) {
    CHECK(audited(make).verdict == "inconsistent(stepwise = whole row)");
    // That some cuts are not exact excuses nothing at those that are.
    AuditSubject declared{make};
    declared.exact_cut = [](int64_t) { return true; };
    CHECK(audit_model(declared, AuditSettings{}).verdict == "inconsistent(stepwise = whole row)");
  }
}

TEST_CASE("of a cut dependent model, the cuts that are not exact are excused, and only they",
          "[contract]") {
  const auto verdict = [](int64_t every) {
    AuditSubject subject{maker<FoldedSegments>()};
    if (every > 0) subject.exact_cut = [every](int64_t ordinal) { return ordinal % every == 0; };
    return audit_model(subject, AuditSettings{});
  };
  for (const int64_t every : {0, 1, 2, 3, 6})
    CHECK(verdict(every).verdict == "inconsistent(stepwise = whole row)");
  for (const int64_t every : {FoldedSegments::kSegment, 2 * FoldedSegments::kSegment}) {
    const AuditReport report = verdict(every);
    CHECK(report.verdict == "causal, cut dependent");
    CHECK(report.as_expected());
    const AuditCheck check = named(report, "stepwise = whole row", "as given");
    CHECK_THAT(check.note, Contains("cuts that are not exact, as declared"));
    CHECK(check.margin < 1e-10);
  }
}

TEST_CASE("sound models pass", "[contract]") {
  const std::vector<std::pair<const char*, Make>> sound = {
      {"plain", maker<Mixed>()},
      {"convolution by FFT", maker<FftConvolution>()},
      {"shifted mean pool of 2", maker<MeanPool>(2, true)},
      {"shifted mean pool of 3", maker<MeanPool>(3, true)},
      {"shifted mean pool of 4", maker<MeanPool>(4, true)},
      {"mean so far", maker<CumulativeMean>()}};
  for (const auto& [name, make] : sound) {
    INFO(name);
    for (const uint64_t seed : {1, 2, 3}) {
      AuditSettings settings;
      settings.seed = seed;
      CHECK(audit_model({make}, settings).verdict == "causal");
    }
  }
  // The convolution is not exact: the audit has to bear rounding.
  const AuditReport report = audited(maker<FftConvolution>());
  CHECK(named(report, "suffix replacement", "as given").margin > 0);
}

TEST_CASE("suffixes drive later scores high and low", "[contract]") {
  for (const char* scorer : {"learned", "norm"}) {
    INFO(scorer);
    json config = kSmallSubllm;
    config["scorer"] = scorer;
    const AuditReport report = audited([&] {
      auto model = small_model(config);
      at::manual_seed(3);
      model->calibrate({random_batch({40, 40})});
      return model;
    });
    CHECK(report.verdict == "causal");
    const std::string note = named(report, "suffix replacement", "as given").note;
    CHECK_THAT(note, Contains("kept: 1.00 when driven up"));
    if (std::string(scorer) == "learned") CHECK_THAT(note, Contains("0.00 down"));
  }
}

TEST_CASE("decisions within rounding of the threshold are counted, others are faults",
          "[contract]") {
  const AuditReport tied = audited(maker<Tied>());
  CHECK(tied.verdict == "causal");
  CHECK(named(tied, "stepwise = whole row", "as given").ties > 0);
  CHECK(named(tied, "stepwise = whole row, decisions forced", "as given").passed);
  CHECK(audited(maker<Tied>(1e-6)).verdict == "inconsistent(stepwise = whole row)");
}

TEST_CASE("the canary hears of its target", "[contract]") {
  constexpr int64_t kVocab = 16, kLength = 16, kSteps = 200;
  const auto rows = uniform_rows(kVocab, kLength, 1);
  const auto canary = [&](std::unique_ptr<LanguageModel> model, const RowSource& source) {
    return run_canary(*model, source, kSteps, 1);
  };
  for (const json& config : {json{{"architecture", "llama"}, {"n_layers", 2}}, kSmallSubllm}) {
    const AuditCheck sound = canary(small_model(config, at::kFloat, kVocab), *rows);
    INFO(sound.note);
    CHECK(sound.passed);
    const AuditCheck shifted =
        canary(small_model(config, at::kFloat, kVocab), OwnTokenLabels(kVocab, kLength));
    INFO(shifted.note);
    CHECK_FALSE(shifted.passed);
    CHECK(shifted.margin > 0.5);
    CHECK(shifted.position == 0);
  }
  for (const bool unmasked : {false, true}) {
    std::unique_ptr<LanguageModel> leaky = std::make_unique<NextToken>(1.0, kVocab);
    if (unmasked) leaky = std::make_unique<Unmasked>(kVocab);
    const AuditCheck check = canary(std::move(leaky), *rows);
    INFO(check.note);
    CHECK_FALSE(check.passed);
  }
}

TEST_CASE("the audit runs the canary where it can make the model anew", "[contract]") {
  AuditSettings settings;
  settings.canary_steps = 5;
  settings.untrained = true;
  AuditSubject subject{maker<Mixed>()};
  subject.make_untrained = [](int64_t vocab_size) { return std::make_unique<Mixed>(vocab_size); };
  const AuditReport report = audit_model(subject, settings);
  CHECK(report.verdict == "causal");
  CHECK_THAT(named(report, "canary", "trained on noise").note, Contains("5 steps of 512 tokens"));
  CHECK(named(report, "prefix = whole row", "untrained").passed);
}

TEST_CASE("labels that are not the next tokens are caught", "[contract]") {
  CHECK(check_labels(*uniform_rows(50, 16, 1), 4).passed);
  const OwnTokenLabels shifted(50, 16);
  const AuditCheck check = check_labels(shifted, 4);
  CHECK_FALSE(check.passed);
  CHECK(check.position == 0);
  AuditSubject subject{maker<Mixed>()};
  subject.rows = &shifted;
  CHECK(audit_model(subject, AuditSettings::brief()).verdict ==
        "inconsistent(labels are the next tokens)");
}

TEST_CASE("top-k in evaluation of a trained subllm leaks", "[contract]") {
  TrainConfig training;
  training.tokens = 60 * 512;
  training.batch_tokens = 512;
  const auto trained = [&](const char* selector) {
    json config = kSmallSubllm;
    config["evaluate_selector"] = selector;
    return [config, training]() {
      auto model = small_model(config);
      train(*model, *uniform_rows(kSmallVocab, 32, 1), training, 1, {});
      return model;
    };
  };
  AuditSettings settings;
  settings.noise = false;
  CHECK(audit_model({trained("threshold")}, settings).verdict == "causal");
  CHECK_THAT(audit_model({trained("top_k")}, settings).verdict, Contains("leaks(position"));
}
