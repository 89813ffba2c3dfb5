// A model that is trained on short rows and goes on with longer ones, other positions or other
// documents, as one study; and what of it is refused.
#include <algorithm>
#include <catch2/catch.hpp>

#include "core/npz.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "core/schema/record.h"
#include "experiments/plan/resolve_study.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

json extended_study(const Workplace& place) {
  json study = place.study();
  const json pose = {{"type", "pose"}, {"target_context_len", 128}},
             sampling = {{"type", "length_upsampling"}, {"long_document_tokens", 500}};
  const json further = {{"train.from", "first"}, {"train.tokens", 1024}};
  const auto with = [&](const json& more) {
    json out = further;
    out.update(more);
    return out;
  };
  study["variants"] = {{"first", json::object()},
                       {"stretched", with({{"train.tokens", 0}, {"model.rope_theta", 40000}})},
                       {"longer", with({{"data.context_len", 64}, {"model.rope_theta", 40000}})},
                       {"pose", with({{"data.positions", pose}, {"model.rope_theta", 40000}})},
                       {"pose_long", with({{"train.from", "pose"},
                                           {"train.tokens", 512},
                                           {"data.positions", pose},
                                           {"data.sampling", sampling},
                                           {"model.rope_theta", 40000}})}};
  study["base"]["evaluate"] = {
      {{"task", "perplexity"}, {"max_tokens", 500}, {"window", 32}},
      {{"task", "perplexity"}, {"max_tokens", 500}, {"window", 128}, {"extrapolate", true}}};
  study["compare_to"] = "first";
  study["match"] = {
      {{"by", "train_tokens"}, {"count_parents", true}, {"variants", {"longer", "pose"}}}};
  return study;
}

const json& table_of(const json& report, const std::string& title) {
  for (const json& table : report.at("tables"))
    if (table.at("title") == title) return table;
  FAIL("no table " << title);
  return report;
}

}  // namespace

TEST_CASE("trained short, extended and looked at beyond: one study", "[end_to_end][context]") {
  const Workplace place;
  place.write("tiny.json", extended_study(place).dump());
  const Ran run = place.run("run tiny.json");
  INFO(run.err);
  REQUIRE(run.code == 0);
  std::map<std::string, Record> records;
  for (const Record& record : read_records(place.path("results/tiny"))) {
    CHECK(record.outcome == "ok");
    CHECK(record.audit.at("verdict") == "causal");
    CHECK(record.find_all("loss_nats").size() == 2);
    records[record.variant] = record;
  }
  REQUIRE(records.size() == 5);
  const auto arrays = [&](const std::string& variant) {
    return NpzFile(arrays_path(place.path("results/tiny"), records[variant].id));
  };
  CHECK(arrays("pose").contains(array::kRelativeDistances));
  CHECK_FALSE(arrays("longer").contains(array::kRelativeDistances));
  CHECK(*records["pose"].find(metric::kLongestDistance)->value > 32);
  CHECK(*records["pose"].find(metric::kPairsBeyondRow)->value > 0.1);
  CHECK(records["pose"].find_all(metric::kLongDocuments).empty());
  const auto long_share = [&](bool sampled) {
    return *records["pose_long"]
                .find(metric::kLongDocuments,
                      {{condition::kSource, "notes"}, {condition::kSampled, sampled}})
                ->value;
  };
  CHECK(long_share(true) > long_share(false));
  CHECK(records["pose_long"].provenance.at("from").at("trained_tokens") == 4096 + 1024);
  const Ran as_json = place.run("report results/tiny --json");
  const json report = json::parse(as_json.out);
  const auto row_text = [&](const std::string& title, const std::string& variant) {
    for (const json& row : table_of(report, title).at("rows"))
      if (row.at("variant") == variant) return row.dump();
    return std::string();
  };
  CHECK_THAT(row_text("Cost", "pose_long"), Contains("5632"));  // 4096 + 1024 + 512
  CHECK_THAT(row_text("Cost", "longer"), Contains("5120"));
  CHECK_FALSE(row_text("Relative distances in training", "pose").empty());
  CHECK_FALSE(row_text("Sources and long documents in training", "pose_long, notes").empty());
  CHECK_THAT(place.run("report results/tiny").out,
             Contains("The training of the weights that a variant starts from is counted"));
  CHECK(std::any_of(report.at("figures").begin(), report.at("figures").end(),
                    [](const json& each) { return each.at("id") == "relative_distances"; }));
  CHECK(place.run("verify results/tiny --rerun 1").code == 0);
  CHECK_THAT(place.run("run tiny.json").err, Contains("0 trials run, 5 done before"));
}

TEST_CASE("a checkpoint says what its training took, and that of its parents",
          "[end_to_end][context]") {
  const Workplace place;
  REQUIRE(place.run(place.train_arguments("first")).code == 0);
  REQUIRE(place.run(place.train_arguments("second", "--set train.from=first")).code == 0);
  const auto info = [&](const std::string& folder) {
    return json::parse(read_file(place.path(folder + "/config.json"))).at("sublab");
  };
  CHECK(info("first").at("trained_tokens") == 2048);
  CHECK(info("second").at("trained_tokens") == 4096);
  CHECK(info("second").at("trained_flops").get<double>() ==
        Approx(2 * info("first").at("trained_flops").get<double>()));
  json config = json::parse(read_file(place.path("first/config.json")));
  for (const char* key : {"trained_tokens", "trained_flops"}) config["sublab"].erase(key);
  place.write("first/config.json", config.dump());  // one from elsewhere
  REQUIRE(place.run(place.train_arguments("third", "--set train.from=first")).code == 0);
  CHECK(info("third").at("trained_tokens").is_null());
}

TEST_CASE("documents that sampling can do nothing with are refused before a plan is written",
          "[end_to_end][context]") {
  const Workplace place;
  const auto refused = [&](const json& data) {
    place.write("tiny.json", place.study({{"base", {{"data", data}}}}).dump());
    const Ran run = place.run("run tiny.json");
    CHECK(run.code == 2);
    CHECK_FALSE(fs::exists(place.path("results/tiny/plan.json")));
    CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    return run.err;
  };
  const auto sampling = [](json settings) {
    settings["type"] = "length_upsampling";
    return json{{"sampling", settings}};
  };
  CHECK_THAT(refused(sampling({{"long_document_tokens", 5000}})),
             Contains("/variants/llama/data/sampling/long_document_tokens: source 'notes' has 0 "
                      "documents of 5000 tokens or more, of "));
  CHECK_THAT(refused(sampling({{"mixture", {{"note", 1}}}})),
             Contains("/data/sampling/mixture: unknown source 'note'; did you mean 'notes'?"));
  CHECK_THAT(refused({{"positions", {{"type", "pose"}, {"target_context_len", 16}}}}),
             Contains("/data/positions/target_context_len: 16 is below data.context_len 32"));
}

TEST_CASE("what parents took counts where costs are held equal", "[contract][context]") {
  const auto resolved = [](const json& match, const json& more = json::object()) {
    json given = json::parse(R"json({
      "study": "matched", "question": "?",
      "base": { "model": {"d_model": 16, "n_layers": 1, "n_heads": 2},
                "data": {"train_on": "recall", "context_len": 32},
                "train": {"tokens": 10240, "batch_tokens": 256},
                "evaluate": [{"task": "recall"}] },
      "variants": {"whole": {}, "first": {"train.tokens": 4096},
                   "further": {"train.from": "first", "train.tokens": 1024}} })json");
    given["variants"]["last"] = {{"train.from", "further"}};
    given["match"] = json::array({match});
    given.merge_patch(more);
    const TemporaryFolder place;
    write_file_durably(place.path / "study.json", given.dump());
    return resolve_study(read_study(place.path / "study.json", {}), built_in_catalog());
  };
  const json variants = {"whole", "last"};
  const ResolvedStudy solved = resolved({{"by", "train_flops"},
                                         {"count_parents", true},
                                         {"solve", "train.tokens"},
                                         {"variants", variants}});
  CHECK(solved.solved.at(0).value == 10240 - 4096 - 1024);
  CHECK(solved.solved.at(0).ratio == Approx(1));
  const json checked = {{"by", "train_tokens"}, {"count_parents", true}, {"variants", variants}};
  const auto with = [](int64_t tokens) {
    return json{{"variants", {{"last", {{"train.tokens", tokens}}}}}};
  };
  CHECK_NOTHROW(resolved(checked, with(5120)));
  CHECK_THROWS_WITH(resolved(checked, with(10240)),
                    Contains("train_tokens differs") && Contains("last has 15360"));
  CHECK_THROWS_WITH(
      resolved({{"by", "parameters"}, {"count_parents", true}, {"variants", variants}}),
      Contains("/match/0/count_parents: is not possible with by parameters"));
}
